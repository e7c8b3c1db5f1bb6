//! `inspect`: podman's document about a container, field for field in podman's order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ketch_runtime::container::state::Vitals;
use serde::Serialize;

use super::checkpoint::marker;
use super::options::{Mount, MountKind, Network, Options};
use super::{Status, health, log_path, policy};
use crate::image::Image;
use crate::network::view::View;
use crate::state::containers::Record;
use crate::store::layer_dir;
use crate::volume;
use crate::{Paths, spec};

mod config;
mod host;
mod network;

use config::Config;
use host::HostConfig;
pub(crate) use host::devices;
pub(crate) use host::security;
use network::NetworkSettings;

/// What Go shows of a time that was never set.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspect {
    id: String,
    created: String,
    path: String,
    args: Vec<String>,
    state: State,
    image: String,
    image_digest: String,
    image_name: String,
    rootfs: String,
    pod: String,
    resolv_conf_path: String,
    hostname_path: String,
    hosts_path: String,
    static_dir: String,
    #[serde(rename = "OCIConfigPath")]
    oci_config_path: String,
    #[serde(rename = "OCIRuntime")]
    oci_runtime: String,
    conmon_pid_file: String,
    pid_file: String,
    name: String,
    restart_count: u32,
    /// Filled in by whoever is ready to look through all files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<u64>,
    driver: String,
    mount_label: String,
    process_label: String,
    app_armor_profile: String,
    effective_caps: Vec<String>,
    bounding_caps: Vec<String>,
    #[serde(rename = "ExecIDs")]
    exec_ids: Vec<String>,
    graph_driver: GraphDriver,
    mounts: Vec<InspectMount>,
    dependencies: Vec<String>,
    network_settings: NetworkSettings,
    namespace: String,
    is_infra: bool,
    is_service: bool,
    config: Config,
    host_config: HostConfig,
    use_image_hosts: bool,
    use_image_hostname: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    oci_version: String,
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: i32,
    exit_code: i32,
    error: String,
    started_at: String,
    finished_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup_path: Option<String>,
    /// Always there, for templates: Go has them in any case.
    checkpointed: bool,
    checkpointed_at: String,
    restored_at: String,
    checkpoint_path: String,
    restored: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<HealthState>,
}

/// What podman shows of the checks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct HealthState {
    status: &'static str,
    failing_streak: u32,
    log: Vec<health::Entry>,
}

fn health_state(options: &Options, dir: &Path) -> Option<HealthState> {
    health::of(options)?;
    let health::Results { status, failing_streak, log, .. } = health::Results::load(dir);
    Some(HealthState { status: status.name(), failing_streak, log })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct GraphDriver {
    name: &'static str,
    data: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InspectMount {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    source: String,
    destination: String,
    driver: &'static str,
    mode: &'static str,
    options: Vec<String>,
    #[serde(rename = "RW")]
    rw: bool,
    propagation: String,
}

/// Puts together what is known. `image` is the record's, and `network` its [view](crate::network::view).
pub fn inspect(
    paths: &Paths,
    record: &Record,
    status: &Status,
    image: Option<&Image>,
    network: &View,
) -> Inspect {
    let options = &record.options;
    let dir = paths.container(&record.id);
    let below = |name: &str| dir.join(name).display().to_string();
    let mut words = record.entrypoint.iter().chain(&record.command).cloned();
    let (effective_caps, bounding_caps) = capabilities(options, image);
    Inspect {
        id: record.id.clone(),
        created: go_time(&record.created),
        path: words.next().unwrap_or_default(),
        args: words.collect(),
        state: state(paths, record, status, &dir),
        image: record.image_id.clone().unwrap_or_default(),
        image_digest: image.map(|image| image.digest.clone()).unwrap_or_default(),
        image_name: record.image_name.clone(),
        rootfs: options.rootfs.as_ref().map(|rootfs| rootfs.path.display().to_string()).unwrap_or_default(),
        pod: options.pod.clone().unwrap_or_default(),
        resolv_conf_path: if options.network == Network::None { String::new() } else { below("resolv.conf") },
        hostname_path: if options.no_hostname { String::new() } else { below("hostname") },
        hosts_path: if options.hosts.none { String::new() } else { below("hosts") },
        static_dir: dir.display().to_string(),
        // The configuration is handed to the monitor and nowhere kept.
        oci_config_path: String::new(),
        oci_runtime: "ketch".to_owned(),
        conmon_pid_file: shown(options.monitor_pid_file.as_deref()),
        pid_file: shown(options.pid_file.as_deref()),
        name: record.name.clone(),
        restart_count: policy::restarts(paths, record),
        size_rw: None,
        size_root_fs: None,
        driver: "overlay".to_owned(),
        mount_label: String::new(),
        process_label: String::new(),
        app_armor_profile: options.security.apparmor.clone().unwrap_or_default(),
        effective_caps,
        bounding_caps,
        exec_ids: Vec::new(),
        graph_driver: graph_driver(paths, record, image),
        mounts: mounts(paths, record),
        dependencies: super::join::dependencies(options).into_iter().map(str::to_owned).collect(),
        network_settings: NetworkSettings::new(options, status, network),
        namespace: String::new(),
        is_infra: options.infra,
        is_service: false,
        config: Config::new(record, image, network),
        host_config: HostConfig::new(record, log_path(&dir).display().to_string(), cgroup_mode(), network),
        use_image_hosts: options.hosts.none,
        use_image_hostname: options.no_hostname,
    }
}

/// Empty for a file that nobody asked for.
fn shown(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

/// RFC 3339 as Go prints it: no zeros at the end of the fraction.
pub fn go_time(time: &str) -> String {
    let Some(digits) = time.strip_suffix('Z').filter(|time| time.contains('.')) else {
        return time.to_owned();
    };
    format!("{}Z", digits.trim_end_matches('0').trim_end_matches('.'))
}

fn state(paths: &Paths, record: &Record, status: &Status, dir: &Path) -> State {
    let exit = status.exit();
    // Of a container that goes on after its checkpoint podman does not say that it has one.
    let mark = marker::read(dir).filter(|_| !status.is_alive());
    let restored = marker::restored(dir).filter(|_| status.is_alive());
    State {
        oci_version: "1.2.1".to_owned(),
        status: status.name(),
        running: matches!(status, Status::Running { .. }),
        paused: matches!(status, Status::Paused { .. }),
        restarting: false,
        oom_killed: exit.is_some_and(|exit| exit.oom_killed),
        dead: false,
        pid: status.pid(),
        exit_code: exit.map_or(0, |exit| exit.code),
        error: match status {
            Status::Created { error } => error.clone(),
            _ => exit.map(|exit| exit.error.clone()).unwrap_or_default(),
        },
        started_at: status.started().map_or(NEVER.to_owned(), go_time),
        finished_at: exit.map_or(NEVER.to_owned(), |exit| go_time(&exit.finished)),
        cgroup_path: (status.pid() != 0).then(|| cgroup(paths, &record.id)).flatten(),
        checkpointed: mark.is_some(),
        checkpoint_path: mark.as_ref().map(|_| marker::images(dir).display().to_string()).unwrap_or_default(),
        checkpointed_at: mark.map_or(NEVER.to_owned(), |mark| go_time(&mark.at)),
        health: health_state(&record.options, dir),
        restored: restored.is_some(),
        restored_at: restored.map_or(NEVER.to_owned(), |at| go_time(&at)),
    }
}

/// The container's cgroup below the hierarchies' roots; None when it has none of its own.
/// A container has a cgroup namespace on v2, and none on v1.
fn cgroup_mode() -> &'static str {
    match ketch_cgroups::detect() {
        Ok(ketch_cgroups::Layout::V2) => "private",
        _ => "host",
    }
}

fn cgroup(paths: &Paths, id: &str) -> Option<String> {
    let location = Vitals::load_vitals(&paths.runtime(), id).ok()?.cgroup;
    let root = if location.v2 { 3 } else { 4 };
    let below: PathBuf = location.paths.first()?.iter().skip(root + 1).collect();
    Some(Path::new("/").join(below).display().to_string())
}

/// Effective and bounding, sorted by name as podman has them. Of the user's number only whether it is root's matters.
fn capabilities(options: &Options, image: Option<&Image>) -> (Vec<String>, Vec<String>) {
    let of_image =
        image.and_then(|image| image.config.config().as_ref()).and_then(|config| config.user().clone());
    let user = options.user.clone().or(of_image).unwrap_or_default();
    let uid = u32::from(!matches!(user.split(':').next().unwrap_or_default(), "" | "0" | "root"));
    let held = ketch_sys::caps::get().map_or(0, |sets| sets.permitted);
    let Ok(sets) = spec::resolve_capabilities(options, uid, held) else { return Default::default() };
    let names = |set: &Option<ketch_runtime::spec::Capabilities>| {
        let mut names: Vec<String> = set.iter().flatten().map(|cap| format!("CAP_{cap}")).collect();
        names.sort_unstable();
        names
    };
    (names(sets.effective()), names(sets.bounding()))
}

fn graph_driver(paths: &Paths, record: &Record, image: Option<&Image>) -> GraphDriver {
    let dir = paths.container(&record.id);
    let mut data = BTreeMap::new();
    if let Some(image) = image {
        let layers = image.layers.iter().rev().map(|layer| layer_dir(paths, layer).display().to_string());
        data.insert("LowerDir", layers.collect::<Vec<_>>().join(":"));
        data.insert("UpperDir", dir.join("upper").display().to_string());
        data.insert("WorkDir", dir.join("work").display().to_string());
    }
    GraphDriver { name: "overlay", data }
}

/// Binds and volumes; a tmpfs is in `HostConfig.Tmpfs`.
fn mounts(paths: &Paths, record: &Record) -> Vec<InspectMount> {
    let mut list = Vec::new();
    for mount in &record.options.mounts {
        let (kind, name, source, driver) = match &mount.kind {
            MountKind::Bind { source } => ("bind", String::new(), source.clone(), ""),
            MountKind::Named { name, .. } => {
                ("volume", name.clone(), volume::mount_point(paths, name), "local")
            }
            MountKind::Anonymous | MountKind::Tmpfs | MountKind::Ramfs => continue,
        };
        list.push(InspectMount {
            kind,
            name,
            source: source.display().to_string(),
            rw: !is_read_only(mount),
            propagation: propagation(mount).to_owned(),
            options: spec::bind_options(mount).into_iter().filter(|option| is_shown(option)).collect(),
            destination: mount.destination.clone(),
            driver,
            mode: "",
        });
    }
    list
}

fn is_read_only(mount: &Mount) -> bool {
    mount.options.iter().any(|option| option == "ro")
}

fn is_shown(option: &str) -> bool {
    !matches!(option, "ro" | "rw") && !is_propagation(option)
}

fn is_propagation(option: &str) -> bool {
    matches!(option.strip_prefix('r').unwrap_or(option), "private" | "shared" | "slave" | "unbindable")
}

fn propagation(mount: &Mount) -> &str {
    mount.options.iter().find(|option| is_propagation(option)).map_or("rprivate", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (time, expected) in [
            ("2026-11-24T11:13:37.186880220Z", "2026-11-24T11:13:37.18688022Z"),
            ("2026-11-24T11:13:37.000000000Z", "2026-11-24T11:13:37Z"),
            ("2026-11-24T11:13:37Z", "2026-11-24T11:13:37Z"),
        ] {
            assert_eq!(go_time(time), expected);
        }
    }

    #[test]
    fn options_of_mounts() {
        let mount = |options: &[&str]| Mount {
            kind: MountKind::Tmpfs,
            destination: "/x".into(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            chown: false,
            no_copy: false,
        };
        for (options, propagation_is, read_only) in [
            (&["ro", "rshared"][..], "rshared", true),
            (&["rbind"], "rprivate", false),
            (&["rslave"], "rslave", false),
        ] {
            assert_eq!(propagation(&mount(options)), propagation_is);
            assert_eq!(is_read_only(&mount(options)), read_only);
        }
    }
}
