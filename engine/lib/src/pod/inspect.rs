//! `pod inspect`: podman's document.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::cgroup;
use super::options::Shared;
use super::status::Whole;
use crate::container::inspect::{devices, go_time};
use crate::container::options::{BlockIo, BlockLimit, Limits, MountKind, Network, Options, Port};
use crate::spec;
use crate::state::containers::Record;

/// In podman's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    id: String,
    name: String,
    created: String,
    create_command: Vec<String>,
    exit_policy: &'static str,
    state: &'static str,
    hostname: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    create_cgroup: bool,
    cgroup_parent: String,
    cgroup_path: String,
    create_infra: bool,
    #[serde(rename = "InfraContainerID", skip_serializing_if = "String::is_empty")]
    infra_container_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    infra_config: Option<InfraConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shared_namespaces: Vec<&'static str>,
    num_containers: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    containers: Vec<Value>,
    #[serde(flatten)]
    limits: Map<String, Value>,
    #[serde(rename = "mounts", skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<Value>,
    #[serde(rename = "devices", skip_serializing_if = "Vec::is_empty")]
    devices: Vec<Value>,
    #[serde(rename = "security_opt", skip_serializing_if = "Vec::is_empty")]
    security: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InfraConfig {
    port_bindings: BTreeMap<String, Value>,
    host_network: bool,
    #[serde(rename = "StaticIP")]
    static_ip: String,
    #[serde(rename = "StaticMAC")]
    static_mac: String,
    no_manage_resolv_conf: bool,
    #[serde(rename = "DNSServer")]
    dns_server: Option<Vec<String>>,
    #[serde(rename = "DNSSearch")]
    dns_search: Option<Vec<String>>,
    #[serde(rename = "DNSOption")]
    dns_option: Option<Vec<String>>,
    no_manage_hostname: bool,
    no_manage_hosts: bool,
    host_add: Option<Vec<String>>,
    hosts_file: &'static str,
    networks: Option<Vec<String>>,
    network_options: Option<Value>,
    #[serde(rename = "cpu_period", skip_serializing_if = "Option::is_none")]
    cpu_period: Option<u64>,
    #[serde(rename = "cpu_quota", skip_serializing_if = "Option::is_none")]
    cpu_quota: Option<i64>,
    #[serde(rename = "cpuset_cpus", skip_serializing_if = "Option::is_none")]
    cpuset_cpus: Option<String>,
    #[serde(rename = "pid_ns")]
    pid: String,
    #[serde(rename = "userns")]
    user: String,
    #[serde(rename = "uts_ns")]
    uts: String,
}

/// In alphabetical order, as podman.
fn shared(shared: Shared, infra: &Options) -> Vec<&'static str> {
    let mut names = shared.names();
    if infra.userns.is_own() {
        names.push("user");
        names.sort_unstable();
    }
    names
}

pub fn inspect(whole: &Whole) -> Document {
    let Whole { pod, members } = whole;
    let infra = whole.infra();
    let limits = limits(whole);
    let mut containers: Vec<&(Record, crate::container::Status)> = members.iter().collect();
    containers.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    Document {
        id: pod.id.clone(),
        name: pod.name.clone(),
        created: go_time(&pod.created),
        create_command: pod.options.create_command.clone(),
        exit_policy: pod.options.exit_policy.name(),
        state: whole.status().name(),
        hostname: pod.options.hostname.clone().unwrap_or_default(),
        labels: pod.options.labels.clone(),
        create_cgroup: pod.options.share_parent,
        cgroup_parent: cgroup::parent(pod).display().to_string(),
        cgroup_path: cgroup::path(pod).display().to_string(),
        create_infra: infra.is_some(),
        infra_container_id: infra.map(|infra| infra.id.clone()).unwrap_or_default(),
        infra_config: infra.map(|infra| InfraConfig::new(&infra.options, &limits)),
        shared_namespaces: infra.map(|infra| shared(pod.options.shared, &infra.options)).unwrap_or_default(),
        num_containers: members.len(),
        containers: containers
            .into_iter()
            .map(|(record, status)| json!({ "Id": record.id, "Name": record.name, "State": status.name() }))
            .collect(),
        limits,
        mounts: infra.map(|infra| mounts(&infra.options)).unwrap_or_default(),
        devices: infra.map(|infra| devices(&infra.options)).unwrap_or_default(),
        security: infra.map(|infra| crate::container::inspect::security(&infra.options)).unwrap_or_default(),
    }
}

impl InfraConfig {
    fn new(options: &Options, limits: &Map<String, Value>) -> InfraConfig {
        let list = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
        let endpoints = match &options.network {
            Network::Bridge(endpoints) => endpoints.as_slice(),
            _ => &[],
        };
        let first = endpoints.first();
        InfraConfig {
            port_bindings: port_bindings(&options.ports),
            host_network: options.network == Network::Host,
            static_ip: first.and_then(|first| first.ip).map(|ip| ip.to_string()).unwrap_or_default(),
            static_mac: first.and_then(|first| first.mac.clone()).unwrap_or_default(),
            no_manage_resolv_conf: false,
            dns_server: list(options.dns.servers.iter().map(ToString::to_string).collect()),
            dns_search: list(options.dns.search.clone()),
            dns_option: list(options.dns.options.clone()),
            no_manage_hostname: false,
            no_manage_hosts: options.hosts.none,
            host_add: list(
                options.hosts.add.iter().map(|(name, address)| format!("{name}:{address}")).collect(),
            ),
            hosts_file: "",
            networks: list(endpoints.iter().map(|endpoint| endpoint.network.clone()).collect()),
            network_options: None,
            cpu_period: limits.get("cpu_period").and_then(Value::as_u64),
            cpu_quota: limits.get("cpu_quota").and_then(Value::as_i64),
            cpuset_cpus: limits.get("cpuset_cpus").and_then(Value::as_str).map(str::to_owned),
            pid: options.namespaces.pid.name("private"),
            user: Some(options.userns.name()).filter(|name| !name.is_empty()).unwrap_or("host".to_owned()),
            uts: options.namespaces.uts.name("private"),
        }
    }
}

/// `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}`
fn port_bindings(ports: &[Port]) -> BTreeMap<String, Value> {
    let mut bindings: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for port in ports {
        for offset in 0..port.count {
            let inside = format!("{}/{}", port.container_port + offset, port.protocol.name());
            let host_ip = port.host_ip.map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_string());
            let host_port = port.host_port.map(|host| (host + offset).to_string()).unwrap_or_default();
            bindings.entry(inside).or_default().push(json!({ "HostIp": host_ip, "HostPort": host_port }));
        }
    }
    bindings.into_iter().map(|(inside, list)| (inside, list.into())).collect()
}

/// Only those that are set, under podman's names.
fn limits(whole: &Whole) -> Map<String, Value> {
    let mut map = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    };
    // A block device that is gone keeps nobody from looking.
    let without_devices = Limits { block: BlockIo::default(), ..whole.pod.options.limits.clone() };
    let resources = spec::shared_resources(&without_devices).ok().flatten();
    let block = &whole.pod.options.limits.block;
    let devices = |list: &[BlockLimit], value: &str| {
        let shown = |limit: &BlockLimit| json!({ "Path": limit.device, value: limit.value });
        Some(Value::from(list.iter().map(shown).collect::<Vec<_>>())).filter(|_| !list.is_empty())
    };
    set("blkio_weight", block.weight.map(Value::from));
    set("blkio_weight_device", devices(&block.weights, "Weight"));
    set("device_read_bps", devices(&block.read_bps, "Rate"));
    set("device_write_bps", devices(&block.write_bps, "Rate"));
    let cpu = resources.as_ref().and_then(|resources| resources.cpu().as_ref());
    let memory = resources.as_ref().and_then(|resources| resources.memory().as_ref());
    set("cpu_period", cpu.and_then(|cpu| cpu.period()).map(Value::from));
    set("cpu_quota", cpu.and_then(|cpu| cpu.quota()).map(Value::from));
    set("cpu_shares", cpu.and_then(|cpu| cpu.shares()).map(Value::from));
    set("cpuset_cpus", cpu.and_then(|cpu| cpu.cpus().clone()).map(Value::from));
    set("cpuset_mems", cpu.and_then(|cpu| cpu.mems().clone()).map(Value::from));
    set("memory_limit", memory.and_then(|memory| memory.limit()).map(Value::from));
    set("memory_swap", memory.and_then(|memory| memory.swap()).map(Value::from));
    map
}

fn mounts(options: &Options) -> Vec<Value> {
    let mounts = options.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source } => Some(json!({
            "Type": "bind",
            "Source": source,
            "Destination": mount.destination,
            "Driver": "",
            "Mode": "",
            "Options": ["rbind"],
            "RW": !mount.options.iter().any(|option| option == "ro"),
            "Propagation": "rprivate",
        })),
        _ => None,
    });
    mounts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::Protocol;

    #[test]
    fn ports() {
        let port = Port {
            host_ip: None,
            host_port: Some(8080),
            container_port: 80,
            count: 2,
            protocol: Protocol::Tcp,
        };
        let bindings = json!(port_bindings(&[port]));
        let expected = |port: &str| json!([{ "HostIp": "0.0.0.0", "HostPort": port }]);
        assert_eq!(bindings, json!({ "80/tcp": expected("8080"), "81/tcp": expected("8081") }));
    }
}
