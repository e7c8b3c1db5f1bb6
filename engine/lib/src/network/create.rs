//! `network create`: a row. The bridge is made when the first container needs it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use ipnet::IpNet;
use ketch_monitor::clock;
use ketch_sys::{Errno, random};

use super::netlink::{self, Socket, addresses, links};
use super::{Network, Subnet, subnet};
use crate::Engine;
use crate::container::name;
use crate::state;
use crate::state::networks::{FindNetworkError, InsertNetworkError};

/// What a new network is asked to be.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub name: String,
    /// Each with its own; empty: the next that is free.
    pub subnets: Vec<WantedSubnet>,
    pub ipv6: bool,
    pub internal: bool,
    pub disable_dns: bool,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    pub interface_name: Option<String>,
}

#[derive(Debug, Clone)]
pub struct WantedSubnet {
    pub subnet: IpNet,
    pub gateway: Option<IpAddr>,
    pub range: Option<(IpAddr, IpAddr)>,
}

/// podman's words where it has them.
#[derive(Debug, thiserror::Error)]
pub enum CreateNetworkError {
    #[error("network name {0} invalid: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument")]
    Name(String),
    #[error("network name {0:?} is reserved: it is a mode of --network")]
    Reserved(String),
    #[error("subnet {0} is already used on the host or by another config")]
    SubnetUsed(IpNet),
    #[error("subnet {0} is too small: it has no address for a container")]
    SubnetSmall(IpNet),
    #[error("cannot have two subnets of one family: {0} and {1}")]
    SameFamily(IpNet, IpNet),
    #[error("gateway {gateway} not in subnet {subnet}")]
    Gateway { gateway: IpAddr, subnet: IpNet },
    #[error("ip-range {start}-{end} not in subnet {subnet}")]
    Range { start: IpAddr, end: IpAddr, subnet: IpNet },
    #[error("could not find free subnet from subnet pools")]
    NoSubnet,
    #[error("unsupported bridge network option {0}")]
    Option(String),
    #[error("invalid value {value:?} of the network option {name}")]
    OptionValue { name: String, value: String },
    #[error("interface name {0:?} is not valid: up to 15 characters, none of them white space, / or :")]
    Interface(String),
    #[error("bridge name {0} already in use")]
    InterfaceUsed(String),
    #[error("cannot get random bytes")]
    Random(#[source] Errno),
    #[error(transparent)]
    Insert(#[from] InsertNetworkError),
    #[error(transparent)]
    Find(#[from] FindNetworkError),
    #[error(transparent)]
    Kernel(#[from] netlink::Error),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Makes the row.
pub fn create(engine: &Engine, wanted: Wanted) -> Result<Network, CreateNetworkError> {
    check(&wanted)?;
    let socket = Socket::open()?;
    let taken = taken(engine, &socket, None)?;
    let mut network = Network {
        id: name::id().map_err(CreateNetworkError::Random)?,
        created: clock::rfc3339(SystemTime::now()),
        subnets: Vec::new(),
        ipv6: wanted.ipv6,
        internal: wanted.internal,
        dns: !wanted.disable_dns,
        labels: wanted.labels,
        options: wanted.options,
        bridge: String::new(),
        name: wanted.name,
    };
    for subnet in &wanted.subnets {
        if taken.iter().any(|other| subnet::overlap(subnet.subnet, *other)) {
            return Err(CreateNetworkError::SubnetUsed(subnet.subnet));
        }
        network.subnets.push(checked(subnet)?);
    }
    if let [one, other] = &network.subnets[..]
        && one.subnet.addr().is_ipv4() == other.subnet.addr().is_ipv4()
    {
        return Err(CreateNetworkError::SameFamily(one.subnet, other.subnet));
    }
    let has = |network: &Network, v4: bool| {
        network.subnets.iter().any(|subnet| subnet.subnet.addr().is_ipv4() == v4)
    };
    let own = |subnet| Subnet { subnet, gateway: Some(subnet::gateway(subnet)), range: None };
    // With an IPv6 subnet alone it is a network of IPv6 alone.
    if network.subnets.is_empty() || (wanted.ipv6 && !has(&network, true)) {
        let free = subnet::free(&taken).ok_or(CreateNetworkError::NoSubnet)?;
        network.subnets.insert(0, own(free));
    }
    if wanted.ipv6 && !has(&network, false) {
        let mut bytes = [0; 8];
        random::fill(&mut bytes).map_err(CreateNetworkError::Random)?;
        network.subnets.push(own(subnet::unique_local(bytes)));
    }
    network.ipv6 |= has(&network, false);
    insert(engine, &socket, network, wanted.interface_name)
}

fn insert(
    engine: &Engine,
    socket: &Socket,
    mut network: Network,
    interface: Option<String>,
) -> Result<Network, CreateNetworkError> {
    let in_use: Vec<String> = links(socket)?.into_iter().map(|link| link.name).collect();
    if let Some(name) = interface {
        if in_use.contains(&name) {
            return Err(CreateNetworkError::InterfaceUsed(name));
        }
        network.bridge = name;
        engine.db.insert_network(&network)?;
        return Ok(network);
    }
    // 0 is the default network's.
    for number in 1.. {
        network.bridge = format!("ketch{number}");
        if in_use.contains(&network.bridge) {
            continue;
        }
        match engine.db.insert_network(&network) {
            Err(InsertNetworkError::BridgeInUse(_)) => {}
            inserted => return Ok(inserted.map(|()| network)?),
        }
    }
    unreachable!("numbers do not end")
}

/// All subnets that a new network must leave alone: other networks', except that of `id`, and the host's.
pub(super) fn taken(
    engine: &Engine,
    socket: &Socket,
    except: Option<&str>,
) -> Result<Vec<IpNet>, CreateNetworkError> {
    let mut taken = Vec::new();
    for network in engine.db.networks()?.iter().filter(|network| Some(&*network.id) != except) {
        taken.extend(network.subnets.iter().map(|subnet| subnet.subnet));
    }
    let on_host = addresses(socket)?;
    taken.extend(on_host.iter().filter_map(|a| Some(IpNet::new(a.address, a.prefix).ok()?.trunc())));
    Ok(taken)
}

fn check(wanted: &Wanted) -> Result<(), CreateNetworkError> {
    if !name::is_valid(&wanted.name) {
        return Err(CreateNetworkError::Name(wanted.name.clone()));
    }
    if ["none", "host", "bridge", "default", "private", "container", "ns", "pasta", "slirp4netns"]
        .contains(&&*wanted.name)
    {
        return Err(CreateNetworkError::Reserved(wanted.name.clone()));
    }
    if let Some(name) = &wanted.interface_name
        && !is_interface(name)
    {
        return Err(CreateNetworkError::Interface(name.clone()));
    }
    for (name, value) in &wanted.options {
        let valid = match &**name {
            "mtu" => value.parse::<u32>().is_ok_and(|mtu| mtu == 0 || (68..=65535).contains(&mtu)),
            "metric" => value.parse::<u32>().is_ok_and(|metric| metric > 0),
            "isolate" => matches!(&**value, "true" | "false" | "1" | "0" | "strict"),
            "no_default_route" => matches!(&**value, "true" | "false" | "1" | "0"),
            _ => return Err(CreateNetworkError::Option(name.clone())),
        };
        if !valid {
            return Err(CreateNetworkError::OptionValue { name: name.clone(), value: value.clone() });
        }
    }
    Ok(())
}

/// Whether an interface can have that name: dev_valid_name() in the kernel.
pub fn is_interface(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 16
        && !matches!(name, "." | "..")
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
}

fn checked(wanted: &WantedSubnet) -> Result<Subnet, CreateNetworkError> {
    let subnet = wanted.subnet.trunc();
    if subnet.max_prefix_len() - subnet.prefix_len() < 2 {
        return Err(CreateNetworkError::SubnetSmall(subnet));
    }
    let gateway = wanted.gateway.unwrap_or_else(|| subnet::gateway(subnet));
    if !subnet.contains(&gateway) {
        return Err(CreateNetworkError::Gateway { gateway, subnet });
    }
    if let Some((start, end)) = wanted.range
        && (!subnet.contains(&start) || !subnet.contains(&end) || start > end)
    {
        return Err(CreateNetworkError::Range { start, end, subnet });
    }
    Ok(Subnet { subnet, gateway: Some(gateway), range: wanted.range })
}
