//! `info`: what the host is and what the store holds, in podman's form.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use ketch_runtime::spec::Capability;
use nix::sys::statfs::{self, FsType, statfs};
use nix::sys::statvfs::statvfs;
use nix::sys::utsname::uname;
use procfs::{Current, CurrentSI};
use serde::Serialize;

use crate::container::{Status, status};
use crate::{Engine, Paths, image, network, spec, state};

#[derive(Debug, thiserror::Error)]
pub enum InfoError {
    #[error("cannot read what the kernel says of the host")]
    Proc(#[from] procfs::ProcError),
    #[error("cannot ask the kernel for its name")]
    Name(#[source] nix::Error),
    #[error("cannot look at the file system of {path}")]
    Disk { path: PathBuf, source: nix::Error },
    #[error(transparent)]
    Cgroups(#[from] ketch_cgroups::Error),
    #[error(transparent)]
    Image(#[from] image::FindError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// What only the caller knows.
#[derive(Debug)]
pub struct Caller {
    pub version: &'static str,
    /// The program itself, which is the runtime too.
    pub program: PathBuf,
    /// On behalf of an ordinary user.
    pub rootless: bool,
    /// Where programs are looked for.
    pub path: Option<OsString>,
}

#[derive(Debug, Serialize)]
pub struct Info {
    host: Host,
    store: Store,
    registries: BTreeMap<String, String>,
    plugins: Plugins,
    version: Version,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Host {
    arch: String,
    cgroup_manager: &'static str,
    cgroup_version: &'static str,
    cgroup_controllers: Vec<String>,
    cpus: u64,
    cpu_utilization: CpuUtilization,
    database_backend: &'static str,
    distribution: Distribution,
    event_logger: &'static str,
    hostname: String,
    id_mappings: IdMappings,
    kernel: String,
    log_driver: &'static str,
    mem_free: u64,
    mem_total: u64,
    network_backend: &'static str,
    network_backend_info: NetworkBackend,
    oci_runtime: Runtime,
    os: &'static str,
    remote_socket: RemoteSocket,
    rootless_network_cmd: &'static str,
    service_is_remote: bool,
    security: Security,
    #[serde(skip_serializing_if = "Option::is_none")]
    pasta: Option<Program>,
    swap_free: u64,
    swap_total: u64,
    uptime: String,
    variant: &'static str,
    linkmode: &'static str,
}

/// Of all time since the host was started, in per cent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CpuUtilization {
    user_percent: f64,
    system_percent: f64,
    idle_percent: f64,
}

/// os-release(5)
#[derive(Debug, Serialize)]
struct Distribution {
    distribution: String,
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    codename: String,
}

#[derive(Debug, Serialize)]
struct IdMappings {
    gidmap: Option<Vec<IdMapping>>,
    uidmap: Option<Vec<IdMapping>>,
}

#[derive(Debug, Serialize)]
struct IdMapping {
    container_id: u32,
    host_id: u32,
    size: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkBackend {
    backend: &'static str,
    version: &'static str,
    path: PathBuf,
    default_network: &'static str,
}

#[derive(Debug, Serialize)]
struct Runtime {
    name: &'static str,
    path: PathBuf,
    version: String,
}

#[derive(Debug, Serialize)]
struct RemoteSocket {
    exists: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Security {
    apparmor_enabled: bool,
    capabilities: String,
    rootless: bool,
    seccomp_enabled: bool,
    seccomp_profile_path: &'static str,
    selinux_enabled: bool,
}

#[derive(Debug, Serialize)]
struct Program {
    executable: PathBuf,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    container_store: Containers,
    graph_driver_name: &'static str,
    graph_options: BTreeMap<String, String>,
    graph_root: PathBuf,
    graph_root_allocated: u64,
    graph_root_used: u64,
    graph_status: BTreeMap<&'static str, &'static str>,
    image_copy_tmp_dir: PathBuf,
    image_store: Images,
    run_root: PathBuf,
    volume_path: PathBuf,
    transient_store: bool,
}

#[derive(Debug, Default, Serialize)]
struct Containers {
    number: usize,
    paused: usize,
    running: usize,
    stopped: usize,
}

#[derive(Debug, Serialize)]
struct Images {
    number: usize,
}

#[derive(Debug, Serialize)]
struct Plugins {
    volume: [&'static str; 1],
    network: [&'static str; 1],
    log: [&'static str; 3],
    authorization: Option<String>,
}

/// Of ketch itself; `version` shows it too.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    #[serde(rename = "APIVersion")]
    api_version: &'static str,
    version: &'static str,
    os_arch: String,
    os: &'static str,
}

impl Version {
    pub fn new(version: &'static str) -> Version {
        Version {
            api_version: version,
            version,
            os_arch: format!("linux/{}", image::Platform::host().architecture),
            os: "linux",
        }
    }
}

pub fn read(engine: &Engine, caller: &Caller) -> Result<Info, InfoError> {
    Ok(Info {
        host: host(engine, caller)?,
        store: store(engine)?,
        registries: BTreeMap::new(),
        plugins: Plugins {
            volume: ["local"],
            network: ["bridge"],
            log: ["k8s-file", "none", "passthrough"],
            authorization: None,
        },
        version: Version::new(caller.version),
    })
}

fn host(engine: &Engine, caller: &Caller) -> Result<Host, InfoError> {
    let name = uname().map_err(InfoError::Name)?;
    let text = |text: &OsStr| text.to_string_lossy().into_owned();
    let memory = procfs::Meminfo::current()?;
    let layout = ketch_cgroups::detect()?;
    Ok(Host {
        arch: image::Platform::host().architecture,
        cgroup_manager: engine.cgroup_manager().name(),
        cgroup_version: if layout == ketch_cgroups::Layout::V2 { "v2" } else { "v1" },
        cgroup_controllers: layout.controllers()?,
        cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64),
        cpu_utilization: cpu_utilization()?,
        database_backend: "sqlite",
        distribution: distribution(),
        event_logger: "file",
        hostname: text(name.nodename()),
        id_mappings: IdMappings {
            gidmap: caller.rootless.then(|| mappings("/proc/self/gid_map")),
            uidmap: caller.rootless.then(|| mappings("/proc/self/uid_map")),
        },
        kernel: text(name.release()),
        log_driver: "k8s-file",
        mem_free: memory.mem_free,
        mem_total: memory.mem_total,
        network_backend: "ketch",
        network_backend_info: NetworkBackend {
            backend: "ketch",
            version: caller.version,
            path: caller.program.clone(),
            default_network: network::DEFAULT,
        },
        oci_runtime: Runtime {
            name: "ketchrun",
            path: caller.program.clone(),
            version: format!("ketchrun version {}, within ketch itself", caller.version),
        },
        os: "linux",
        remote_socket: RemoteSocket { exists: false },
        rootless_network_cmd: "pasta",
        service_is_remote: false,
        security: Security {
            apparmor_enabled: holds("/sys/module/apparmor/parameters/enabled", "Y"),
            capabilities: spec::DEFAULT_CAPABILITIES.iter().map(capability).collect::<Vec<_>>().join(","),
            rootless: caller.rootless,
            seccomp_enabled: Path::new("/proc/sys/kernel/seccomp/actions_avail").exists(),
            seccomp_profile_path: "default",
            selinux_enabled: Path::new("/sys/fs/selinux/enforce").exists(),
        },
        pasta: program("pasta", caller),
        swap_free: memory.swap_free,
        swap_total: memory.swap_total,
        uptime: uptime(procfs::Uptime::current()?.uptime),
        variant: "",
        linkmode: "static",
    })
}

fn capability(capability: &Capability) -> String {
    format!("CAP_{}", capability.to_string().trim_start_matches("CAP_"))
}

fn cpu_utilization() -> Result<CpuUtilization, InfoError> {
    let cpu = procfs::KernelStats::current()?.total;
    let idle = cpu.idle + cpu.iowait.unwrap_or(0);
    let system = cpu.system + cpu.irq.unwrap_or(0) + cpu.softirq.unwrap_or(0) + cpu.steal.unwrap_or(0);
    let user = cpu.user + cpu.nice;
    let percent = |part: u64| (part as f64 / (idle + system + user).max(1) as f64 * 10_000.0).round() / 100.0;
    Ok(CpuUtilization {
        user_percent: percent(user),
        system_percent: percent(system),
        idle_percent: percent(idle),
    })
}

fn distribution() -> Distribution {
    let text =
        ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| fs::read_to_string(path).ok());
    let text = text.unwrap_or_default();
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let mut values =
            lines.filter(|(key, _)| *key == name).map(|(_, value)| value.trim_matches(['"', '\'']));
        values.next().map(str::to_owned)
    };
    let unknown = || "unknown".to_owned();
    Distribution {
        distribution: field("ID").unwrap_or_else(unknown),
        version: field("VERSION_ID").unwrap_or_else(unknown),
        codename: field("VERSION_CODENAME").unwrap_or_default(),
    }
}

/// user_namespaces(7)
fn mappings(path: &str) -> Vec<IdMapping> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mapping = |line: &str| {
        let mut numbers = line.split_whitespace().map_while(|number| number.parse().ok());
        Some(IdMapping { container_id: numbers.next()?, host_id: numbers.next()?, size: numbers.next()? })
    };
    text.lines().filter_map(mapping).collect()
}

fn holds(path: &str, value: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim() == value)
}

fn program(name: &str, caller: &Caller) -> Option<Program> {
    let dirs = caller.path.as_ref()?;
    let executable = std::env::split_paths(dirs).map(|dir| dir.join(name)).find(|path| path.is_file())?;
    Some(Program { executable })
}

/// podman's `3h 51m 24.00s (Approximately 0.12 days)`.
fn uptime(seconds: f64) -> String {
    let whole = seconds as u64;
    let (hours, minutes) = (whole / 3600, whole / 60 % 60);
    let text = format!("{hours}h {minutes}m {:.2}s", (whole % 60) as f64);
    if hours == 0 { text } else { format!("{text} (Approximately {:.2} days)", seconds / 86_400.0) }
}

fn store(engine: &Engine) -> Result<Store, InfoError> {
    let Paths { root, run } = &engine.paths;
    let disk = statvfs(root).map_err(|source| InfoError::Disk { path: root.clone(), source })?;
    let mut containers = Containers::default();
    for record in engine.db.containers()? {
        containers.number += 1;
        match status(&engine.paths, &record.id) {
            Status::Running { .. } => containers.running += 1,
            Status::Paused { .. } => containers.paused += 1,
            _ => containers.stopped += 1,
        }
    }
    Ok(Store {
        container_store: containers,
        graph_driver_name: "overlay",
        graph_options: BTreeMap::new(),
        graph_root: root.clone(),
        graph_root_allocated: disk.blocks() * disk.fragment_size(),
        graph_root_used: (disk.blocks() - disk.blocks_free()) * disk.fragment_size(),
        graph_status: BTreeMap::from([("Backing Filesystem", file_system(root))]),
        image_copy_tmp_dir: engine.paths.tmp(),
        image_store: Images { number: image::list(engine)?.len() },
        run_root: run.clone(),
        volume_path: engine.paths.volumes(),
        transient_store: false,
    })
}

/// linux/magic.h; nix has it for glibc alone.
const XFS: FsType = FsType(0x5846_5342);

/// podman's name for the file system.
fn file_system(path: &Path) -> &'static str {
    match statfs(path).map(|it| it.filesystem_type()) {
        Ok(statfs::EXT4_SUPER_MAGIC) => "extfs",
        Ok(XFS) => "xfs",
        Ok(statfs::BTRFS_SUPER_MAGIC) => "btrfs",
        Ok(statfs::TMPFS_MAGIC) => "tmpfs",
        Ok(statfs::OVERLAYFS_SUPER_MAGIC) => "overlayfs",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn uptimes() {
        assert_eq!(super::uptime(13_884.4), "3h 51m 24.00s (Approximately 0.16 days)");
        assert_eq!(super::uptime(61.9), "0h 1m 1.00s");
    }
}
