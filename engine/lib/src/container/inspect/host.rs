//! `.HostConfig`: limits, isolation, mounts.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::config::annotations;
use crate::container::options::{
    BlockIo, BlockLimit, Cgroups, IdRange, MountKind, Options, RestartPolicy, Seccomp, Userns,
};
use crate::network::view::View;
use crate::spec;
use crate::state::containers::Record;

/// Microseconds of a CPU period, over which `--cpus` is counted.
const CPU_PERIOD: u64 = 100_000;

/// podman's default limit of processes.
const PIDS: i64 = 2048;

const SHM_SIZE: i64 = 65_536_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HostConfig {
    binds: Vec<String>,
    cgroup_manager: &'static str,
    cgroup_mode: String,
    #[serde(rename = "ContainerIDFile")]
    container_id_file: String,
    log_config: Value,
    network_mode: String,
    port_bindings: BTreeMap<String, Value>,
    restart_policy: Value,
    auto_remove: bool,
    auto_remove_image: bool,
    annotations: BTreeMap<String, String>,
    volume_driver: &'static str,
    volumes_from: Option<Vec<String>>,
    cap_add: Vec<String>,
    cap_drop: Vec<String>,
    dns: Vec<String>,
    dns_options: Vec<String>,
    dns_search: Vec<String>,
    extra_hosts: Vec<String>,
    hosts_file: String,
    group_add: Vec<String>,
    ipc_mode: String,
    cgroup: &'static str,
    cgroups: &'static str,
    links: Option<Vec<String>>,
    oom_score_adj: i32,
    pid_mode: String,
    privileged: bool,
    publish_all_ports: bool,
    readonly_rootfs: bool,
    security_opt: Vec<String>,
    tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    uts_mode: String,
    userns_mode: String,
    #[serde(rename = "IDMappings", skip_serializing_if = "Option::is_none")]
    id_mappings: Option<Value>,
    shm_size: i64,
    runtime: &'static str,
    console_size: [u16; 2],
    isolation: &'static str,
    init: bool,
    cpu_shares: u64,
    memory: i64,
    nano_cpus: u64,
    cgroup_parent: String,
    blkio_weight: u16,
    blkio_weight_device: Option<Vec<Value>>,
    blkio_device_read_bps: Option<Vec<Value>>,
    blkio_device_write_bps: Option<Vec<Value>>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    blkio_device_read_iops: Option<Vec<Value>>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    blkio_device_write_iops: Option<Vec<Value>>,
    cpu_period: u64,
    cpu_quota: i64,
    cpu_realtime_period: u64,
    cpu_realtime_runtime: i64,
    cpuset_cpus: String,
    cpuset_mems: String,
    devices: Vec<Value>,
    memory_reservation: i64,
    memory_swap: i64,
    memory_swappiness: u64,
    oom_kill_disable: bool,
    pids_limit: i64,
    ulimits: Vec<Value>,
    cgroup_conf: Option<BTreeMap<String, String>>,
    #[serde(rename = "IntelRdtClosID", skip_serializing_if = "Option::is_none")]
    intel_rdt_clos_id: Option<String>,
}

fn id_mappings(userns: &Userns) -> Option<Value> {
    let list = |ranges: &[IdRange]| -> Vec<String> {
        let shown = |range: &IdRange| format!("{}:{}:{}", range.container, range.host, range.size);
        ranges.iter().map(shown).collect()
    };
    userns.is_own().then(|| json!({ "UidMap": list(&userns.uids), "GidMap": list(&userns.gids) }))
}

fn restart_policy(policy: RestartPolicy) -> Value {
    let retries = match policy {
        RestartPolicy::OnFailure { retries } => retries,
        _ => 0,
    };
    json!({ "Name": policy.name(), "MaximumRetryCount": retries })
}

impl HostConfig {
    pub(super) fn new(record: &Record, log: String, cgroup_mode: &'static str, network: &View) -> HostConfig {
        let (options, limits) = (&record.options, &record.options.limits);
        let capability = |name: &String| {
            let name = name.to_ascii_uppercase();
            if name == "ALL" || name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
        };
        let cpus = limits.cpus.unwrap_or(0.0);
        HostConfig {
            binds: binds(options),
            cgroup_manager: options.cgroup_manager.name(),
            cgroup_mode: options
                .namespaces
                .cgroup
                .as_ref()
                .map_or_else(|| cgroup_mode.to_owned(), |wanted| wanted.name("private")),
            container_id_file: options
                .cid_file
                .as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            log_config: log_config(options, log),
            network_mode: options.network.name(),
            port_bindings: super::network::bindings(network),
            restart_policy: restart_policy(options.restart),
            auto_remove: options.remove,
            auto_remove_image: options.remove_image,
            annotations: annotations(record),
            volume_driver: "",
            volumes_from: Some(options.volumes_from.clone()).filter(|list| !list.is_empty()),
            cap_add: options.cap_add.iter().map(capability).collect(),
            cap_drop: options.cap_drop.iter().map(capability).collect(),
            dns: options.dns.servers.iter().map(ToString::to_string).collect(),
            dns_options: options.dns.options.clone(),
            dns_search: options.dns.search.clone(),
            extra_hosts: options
                .hosts
                .add
                .iter()
                .map(|(name, address)| format!("{name}:{address}"))
                .collect(),
            hosts_file: options.hosts.base.name(),
            group_add: options.groups.clone(),
            ipc_mode: options.namespaces.ipc.name("shareable"),
            cgroup: "",
            cgroups: match options.cgroups {
                Cgroups::Disabled => "disabled",
                Cgroups::Enabled | Cgroups::NoConmon => "default",
            },
            links: None,
            oom_score_adj: limits.oom_score_adj.unwrap_or(0),
            pid_mode: options.namespaces.pid.name("private"),
            privileged: options.privileged,
            publish_all_ports: options.publish_all,
            readonly_rootfs: options.read_only,
            security_opt: security(options),
            tmpfs: tmpfs(options),
            uts_mode: options.namespaces.uts.name("private"),
            userns_mode: options.userns.name(),
            id_mappings: id_mappings(&options.userns),
            shm_size: limits.shm_size.unwrap_or(SHM_SIZE),
            runtime: "oci",
            console_size: [0, 0],
            isolation: "",
            init: options.init,
            cpu_shares: limits.cpu_shares.unwrap_or(0),
            memory: limits.memory.unwrap_or(0),
            nano_cpus: (cpus * 1e9).round() as u64,
            cgroup_parent: options.cgroup_parent.clone().unwrap_or_default(),
            blkio_weight: limits.block.weight.unwrap_or(0),
            blkio_weight_device: by_device(&limits.block, &limits.block.weights, "Weight"),
            blkio_device_read_bps: by_device(&limits.block, &limits.block.read_bps, "Rate"),
            blkio_device_write_bps: by_device(&limits.block, &limits.block.write_bps, "Rate"),
            blkio_device_read_iops: by_device(&limits.block, &limits.block.read_iops, "Rate"),
            blkio_device_write_iops: by_device(&limits.block, &limits.block.write_iops, "Rate"),
            cpu_period: if cpus > 0.0 { CPU_PERIOD } else { limits.cpu_period.unwrap_or(0) },
            cpu_quota: if cpus > 0.0 {
                (cpus * CPU_PERIOD as f64).round() as i64
            } else {
                limits.cpu_quota.unwrap_or(0)
            },
            cpu_realtime_period: limits.cpu_rt_period.unwrap_or(0),
            cpu_realtime_runtime: limits.cpu_rt_runtime.unwrap_or(0),
            cpuset_cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
            cpuset_mems: limits.cpuset_mems.clone().unwrap_or_default(),
            devices: devices(options),
            memory_reservation: limits.memory_reservation.unwrap_or(0),
            memory_swap: limits.memory_swap.or(limits.memory.map(|memory| memory * 2)).unwrap_or(0),
            memory_swappiness: limits.memory_swappiness.unwrap_or(0),
            oom_kill_disable: limits.oom_kill_disable,
            pids_limit: limits.pids.unwrap_or(PIDS),
            ulimits: limits
                .ulimits
                .iter()
                .map(|limit| {
                    let name = format!("RLIMIT_{}", limit.name.to_ascii_uppercase());
                    json!({ "Name": name, "Soft": limit.soft, "Hard": limit.hard })
                })
                .collect(),
            cgroup_conf: Some(limits.unified.clone()).filter(|files| !files.is_empty()),
            intel_rdt_clos_id: limits.rdt_class.clone(),
        }
    }
}

/// As podman: nothing when no block device has a limit, and otherwise a list, empty or not.
fn by_device(block: &BlockIo, limits: &[BlockLimit], value: &str) -> Option<Vec<Value>> {
    let shown = |limit: &BlockLimit| json!({ "Path": limit.device, value: limit.value });
    (*block != BlockIo::default()).then(|| limits.iter().map(shown).collect())
}

fn binds(options: &Options) -> Vec<String> {
    let bind = |source: String, destination: &str, options: &[String]| {
        format!("{source}:{destination}:{}", options.join(","))
    };
    options
        .mounts
        .iter()
        .filter_map(|mount| match &mount.kind {
            MountKind::Bind { source } => {
                Some(bind(source.display().to_string(), &mount.destination, &spec::bind_options(mount)))
            }
            MountKind::Named { name, .. } => {
                Some(bind(name.clone(), &mount.destination, &spec::bind_options(mount)))
            }
            MountKind::Anonymous | MountKind::Tmpfs | MountKind::Ramfs => None,
        })
        .collect()
}

fn tmpfs(options: &Options) -> BTreeMap<String, String> {
    let is_tmpfs = |kind: &MountKind| matches!(kind, MountKind::Tmpfs | MountKind::Ramfs);
    let mounts = options.mounts.iter().filter(|mount| is_tmpfs(&mount.kind));
    mounts.map(|mount| (mount.destination.clone(), mount.options.join(","))).collect()
}

fn log_config(options: &Options, path: String) -> Value {
    let driver = options.log.driver.as_deref().unwrap_or("k8s-file");
    let size = options.log.max_size.map_or("-1B".to_owned(), |size| format!("{size}B"));
    let path = if matches!(driver, "none" | "passthrough") { String::new() } else { path };
    json!({
        "Type": driver, "Config": null, "Path": path, "Tag": "", "Size": size,
    })
}

pub(crate) fn security(options: &Options) -> Vec<String> {
    let security = &options.security;
    let mut list = Vec::new();
    if security.no_new_privileges {
        list.push("no-new-privileges".to_owned());
    }
    match &security.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => list.push("seccomp=unconfined".to_owned()),
        Seccomp::Profile(_) => list.push("seccomp=custom".to_owned()),
    }
    list.extend(security.apparmor.iter().map(|profile| format!("apparmor={profile}")));
    list.extend(security.mask.iter().map(|path| format!("mask={path}")));
    list.extend(security.unmask.iter().map(|path| format!("unmask={path}")));
    list
}

pub(crate) fn devices(options: &Options) -> Vec<Value> {
    let device = |device: &crate::container::options::Device| {
        json!({
            "PathOnHost": device.source,
            "PathInContainer": device.destination,
            "CgroupPermissions": device.access,
        })
    };
    options.devices.iter().map(device).collect()
}
