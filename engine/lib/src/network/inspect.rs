//! `network inspect`: podman's document, field for field in podman's order.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::Engine;
use crate::state;
use crate::state::holds::Lease;

use super::Network;

#[derive(Debug, Serialize)]
pub struct Inspect {
    pub name: String,
    pub id: String,
    pub driver: &'static str,
    pub network_interface: String,
    pub created: String,
    pub subnets: Vec<Subnet>,
    pub ipv6_enabled: bool,
    pub internal: bool,
    pub dns_enabled: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    pub ipam_options: BTreeMap<&'static str, &'static str>,
    /// By full id; None in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containers: Option<BTreeMap<String, Member>>,
}

#[derive(Debug, Serialize)]
pub struct Subnet {
    pub subnet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_range: Option<Range>,
}

#[derive(Debug, Serialize)]
pub struct Range {
    pub start_ip: IpAddr,
    pub end_ip: IpAddr,
}

#[derive(Debug, Serialize)]
pub struct Member {
    pub name: String,
    pub interfaces: BTreeMap<String, Interface>,
}

#[derive(Debug, Serialize)]
pub struct Interface {
    pub subnets: Vec<Address>,
    pub mac_address: String,
}

#[derive(Debug, Serialize)]
pub struct Address {
    pub ipnet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// With the containers that are on it now.
pub fn inspect(engine: &Engine, network: &Network) -> Result<Inspect, state::Error> {
    let mut members = BTreeMap::new();
    for (id, lease) in engine.db.leases_of(&network.id)? {
        // A container that is gone by now is not on it.
        let Ok(record) = engine.db.find_container(&id) else { continue };
        if !crate::container::status(&engine.paths, &id).is_alive() {
            continue;
        }
        let member =
            members.entry(id).or_insert_with(|| Member { name: record.name, interfaces: BTreeMap::new() });
        member.interfaces.insert(lease.interface.clone(), interface(network, &lease));
    }
    Ok(Inspect { containers: Some(members), ..listed(network) })
}

/// As a list shows it.
pub fn listed(network: &Network) -> Inspect {
    let subnet = |subnet: &super::Subnet| Subnet {
        subnet: subnet.subnet.to_string(),
        gateway: subnet.gateway,
        lease_range: subnet.range.map(|(start_ip, end_ip)| Range { start_ip, end_ip }),
    };
    Inspect {
        name: network.name.clone(),
        id: network.id.clone(),
        driver: "bridge",
        network_interface: network.bridge.clone(),
        created: crate::container::inspect::go_time(&network.created),
        subnets: network.subnets.iter().map(subnet).collect(),
        ipv6_enabled: network.ipv6,
        internal: network.internal,
        dns_enabled: network.dns,
        labels: network.labels.clone(),
        options: network.options.clone(),
        ipam_options: [("driver", "host-local")].into(),
        containers: None,
    }
}

fn interface(network: &Network, lease: &Lease) -> Interface {
    let of = |subnet: &super::Subnet| {
        let ip =
            if subnet.subnet.addr().is_ipv4() { lease.v4.map(IpAddr::V4) } else { lease.v6.map(IpAddr::V6) };
        Some(Address { ipnet: format!("{}/{}", ip?, subnet.subnet.prefix_len()), gateway: subnet.gateway })
    };
    Interface { subnets: network.subnets.iter().filter_map(of).collect(), mac_address: lease.mac.clone() }
}
