//! `network.status`: the addresses that a container had when its checkpoint was made, in podman's form. What is restored
//! gets them again: its connections are between addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::container::FileError;
use crate::container::options::{Network, Options};
use crate::network;
use crate::state;

/// By the network's name.
pub(crate) type Addresses = BTreeMap<String, Status>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// By their names inside.
    interfaces: BTreeMap<String, Interface>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Interface {
    mac_address: String,
    subnets: Vec<Address>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Address {
    ipnet: IpNet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

/// The file in the container's directory and in an archive.
pub(super) const FILE: &str = "network.status";

/// What the container holds now.
pub(super) fn of(engine: &Engine, id: &str) -> Result<Addresses, state::Error> {
    let mut addresses = Addresses::new();
    for lease in engine.db.hold_of(id)?.map(|hold| hold.leases).unwrap_or_default() {
        let Some(network) = engine.db.network(&lease.network)? else { continue };
        let held = [lease.v4.map(IpAddr::V4), lease.v6.map(IpAddr::V6)].into_iter().flatten();
        let subnets = held
            .filter_map(|ip| {
                let subnet = network.subnets.iter().find(|s| s.subnet.contains(&ip))?;
                let ipnet = IpNet::new(ip, subnet.subnet.prefix_len()).ok()?;
                Some(Address { ipnet, gateway: subnet.gateway })
            })
            .collect();
        let interface = Interface { mac_address: lease.mac, subnets };
        addresses.entry(network.name).or_default().interfaces.insert(lease.interface, interface);
    }
    Ok(addresses)
}

/// What was noted; nothing of a container without networks.
pub(crate) fn read(dir: &Path) -> Result<Addresses, FileError> {
    let path = dir.join(FILE);
    match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Addresses::new()),
        text => {
            text.and_then(|text| Ok(serde_json::from_slice(&text)?)).map_err(FileError::at("read", &path))
        }
    }
}

/// Has the container ask for what it had, as far as `fits` says that a network has the address here. An interface keeps
/// its name in any case: it is in the images.
pub(crate) fn ask_for(
    addresses: &Addresses,
    options: &mut Options,
    (ip, mac): (bool, bool),
    fits: impl Fn(&str, IpAddr) -> bool,
) {
    let Network::Bridge(endpoints) = &mut options.network else { return };
    for endpoint in endpoints {
        if !ip {
            (endpoint.ip, endpoint.ip6) = (None, None);
        }
        if !mac {
            endpoint.mac = None;
        }
        // podman's default network is ours by another name.
        let known = addresses
            .get(&endpoint.network)
            .or_else(|| addresses.get("podman").filter(|_| endpoint.network == network::DEFAULT));
        let Some((name, interface)) = known.and_then(|status| status.interfaces.iter().next()) else {
            continue;
        };
        endpoint.interface.get_or_insert_with(|| name.clone());
        let addresses = interface.subnets.iter().map(|address| address.ipnet.addr());
        for address in addresses.filter(|address| ip && fits(&endpoint.network, *address)) {
            match address {
                IpAddr::V4(v4) => drop(endpoint.ip.get_or_insert(v4)),
                IpAddr::V6(v6) => drop(endpoint.ip6.get_or_insert(v6)),
            }
        }
        if mac && !interface.mac_address.is_empty() {
            endpoint.mac.get_or_insert_with(|| interface.mac_address.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::Endpoint;

    /// As podman writes it.
    const STATUS: &str = r#"{"podman": {"interfaces": {"eth0": {"subnets": [
        {"ipnet": "10.88.0.5/16", "gateway": "10.88.0.1"}], "mac_address": "02:42:0a:58:00:05"}}}}"#;

    #[test]
    fn what_was_is_asked_for_again() {
        let addresses: Addresses = serde_json::from_str(STATUS).unwrap();
        let asked = |ip, mac| {
            let endpoint = Endpoint { network: network::DEFAULT.into(), ..Endpoint::default() };
            let mut options = Options { network: Network::Bridge(vec![endpoint]), ..Options::default() };
            ask_for(&addresses, &mut options, (ip, mac), |_, _| true);
            let Network::Bridge(mut endpoints) = options.network else { panic!("a bridge") };
            endpoints.remove(0)
        };
        let all = asked(true, true);
        assert_eq!(all.ip, Some("10.88.0.5".parse().unwrap()));
        assert_eq!((all.mac.as_deref(), all.interface.as_deref()), (Some("02:42:0a:58:00:05"), Some("eth0")));
        let name = asked(false, false);
        assert_eq!((name.ip, name.mac, name.interface.as_deref()), (None, None, Some("eth0")));
    }
}
