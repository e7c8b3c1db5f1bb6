//! `.NetworkSettings`, and the ports as `.HostConfig` shows them too.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::container::Status;
use crate::container::options::{Network, Options};
use crate::container::port::{Published, published};
use crate::network::DEFAULT;
use crate::network::view::{Place, View};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkSettings {
    #[serde(flatten)]
    endpoint: Value,
    bridge: &'static str,
    #[serde(rename = "SandboxID")]
    sandbox_id: &'static str,
    hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    link_local: &'static str,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    link_local_prefix: u32,
    ports: BTreeMap<String, Value>,
    sandbox_key: String,
    networks: BTreeMap<String, Value>,
}

impl NetworkSettings {
    pub(super) fn new(options: &Options, status: &Status, view: &View) -> NetworkSettings {
        // As with podman, only the default network's addresses are a container's own.
        let endpoint = match &view.endpoints[..] {
            [only] if only.name == DEFAULT => addresses(only),
            _ => nothing(),
        };
        let mut ports: BTreeMap<String, Value> =
            exposed(options).map(|exposed| (exposed, Value::Null)).collect();
        ports.extend(bindings(view));
        let mut networks: BTreeMap<String, Value> =
            view.endpoints.iter().map(|place| (place.name.clone(), network(place))).collect();
        if matches!(options.network, Network::None | Network::Host) {
            let name = options.network.name();
            let mut entry = with_rest(nothing());
            entry["NetworkID"] = name.clone().into();
            networks.insert(name, entry);
        }
        NetworkSettings {
            endpoint,
            bridge: "",
            sandbox_id: "",
            hairpin_mode: false,
            link_local: "",
            link_local_prefix: 0,
            ports,
            sandbox_key: match status.pid() {
                0 => String::new(),
                pid => format!("/proc/{pid}/ns/net"),
            },
            networks,
        }
    }
}

/// `80/tcp`: those that the image or `--expose` names.
pub(super) fn exposed(options: &Options) -> impl Iterator<Item = String> + '_ {
    options.expose.iter().map(|exposed| format!("{}/{}", exposed.port, exposed.protocol.name()))
}

/// Where on the host each published port is.
pub(super) fn bindings(view: &View) -> BTreeMap<String, Value> {
    let mut bindings = BTreeMap::new();
    for port in published(&view.ports).into_iter().flat_map(Published::each) {
        let inside = format!("{}/{}", port.container_port, port.protocol.name());
        if let Value::Array(list) = bindings.entry(inside).or_insert_with(|| json!([])) {
            list.push(json!({ "HostIp": port.host(), "HostPort": port.host_port.to_string() }));
        }
    }
    bindings
}

fn nothing() -> Value {
    json!({
        "EndpointID": "", "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "",
        "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "MacAddress": "",
    })
}

fn with_rest(mut entry: Value) -> Value {
    for name in ["DriverOpts", "IPAMConfig", "Links"] {
        entry[name] = Value::Null;
    }
    entry
}

fn network(place: &Place) -> Value {
    let mut entry = with_rest(addresses(place));
    entry["NetworkID"] = place.held.as_ref().map_or(&place.name, |(network, _)| &network.id).clone().into();
    entry["Aliases"] = place.aliases.clone().into();
    entry
}

fn addresses(place: &Place) -> Value {
    let mut entry = nothing();
    let Some((network, lease)) = &place.held else { return entry };
    for subnet in &network.subnets {
        let gateway = subnet.gateway.map(|ip| ip.to_string()).unwrap_or_default();
        let length = subnet.subnet.prefix_len();
        if subnet.subnet.addr().is_ipv4() {
            entry["Gateway"] = gateway.into();
            entry["IPAddress"] = lease.v4.map(|ip| ip.to_string()).unwrap_or_default().into();
            entry["IPPrefixLen"] = length.into();
        } else {
            entry["IPv6Gateway"] = gateway.into();
            entry["GlobalIPv6Address"] = lease.v6.map(|ip| ip.to_string()).unwrap_or_default().into();
            entry["GlobalIPv6PrefixLen"] = length.into();
        }
    }
    entry["MacAddress"] = lease.mac.clone().into();
    entry
}
