//! The bridge of a network: there before a container needs it.

use std::fs::File;
use std::io;
use std::net::IpAddr;

use super::create::CreateNetworkError;
use super::firewall::Firewall;
use super::netlink::{self, Socket, addresses, ensure_bridge, find_link, links, remove_bridge};
use super::{DEFAULT, Network, default, firewall, rules, subnet};
use crate::Engine;
use crate::state;

/// Locked (flock(2)), it lets one process at a time decide about the interfaces of its network namespace, whichever
/// engine it belongs to. The kernel drops the lock of whatever is killed.
const TURN: &str = "/proc/self/ns/net";

#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    #[error(transparent)]
    Kernel(#[from] netlink::Error),
    #[error(transparent)]
    Firewall(#[from] firewall::Error),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Number(#[from] Box<CreateNetworkError>),
    #[error("cannot lock {TURN}")]
    Lock(#[source] io::Error),
    #[error("network {network}: its subnet {subnet} is in use on interface {interface} of the host")]
    SubnetTaken { network: String, subnet: String, interface: String },
    #[error("unable to find network with name or ID {0}: network not found")]
    Gone(String),
}

/// Gives the bridge's index; makes what is missing. `network` is as the database has it afterwards: its bridge may get
/// another name, and the default network other subnets, while nobody uses them yet.
pub(crate) fn ensure(engine: &Engine, socket: &Socket, network: &mut Network) -> Result<u32, BridgeError> {
    if find_link(socket, &network.bridge)?.is_some() {
        match up(socket, network) {
            Err(netlink::Error::Foreign { .. }) => {}
            done => return Ok(done?),
        }
    }
    let turn = File::open(TURN).map_err(BridgeError::Lock)?;
    turn.lock().map_err(BridgeError::Lock)?;
    make(engine, socket, network)
}

/// With the turn.
fn make(engine: &Engine, socket: &Socket, network: &mut Network) -> Result<u32, BridgeError> {
    // Whoever had the turn before may have changed it.
    *network = engine.db.network(&network.id)?.ok_or_else(|| BridgeError::Gone(network.name.clone()))?;
    if let Some(link) = find_link(socket, &network.bridge)? {
        match up(socket, network) {
            Err(netlink::Error::Foreign { .. }) => {}
            done => return Ok(done?),
        }
        match link.alias.strip_prefix("ketch:") {
            // Of this network when it had other subnets: its state was deleted, and with it all who used them.
            Some(mark) if mark.starts_with(&network.id) => remove_bridge(socket, &network.bridge, mark)?,
            _ if network.bridge == second_name(network) || !network.bridge.starts_with("ketch") => {
                return Err(netlink::Error::Foreign { name: network.bridge.clone() }.into());
            }
            _ => {
                network.bridge = second_name(network);
                engine.db.update_network(network)?;
                return make(engine, socket, network);
            }
        }
    }
    if let Some((taken, index)) = taken(socket, network)? {
        if network.name != DEFAULT || !engine.db.leases_of(&network.id)?.is_empty() {
            let interface = links(socket)?.into_iter().find(|link| link.index == index);
            return Err(BridgeError::SubnetTaken {
                network: network.name.clone(),
                subnet: taken.to_string(),
                interface: interface.map(|link| link.name).unwrap_or_default(),
            });
        }
        default::number(engine, socket, network).map_err(Box::new)?;
        engine.db.update_network(network)?;
    }
    // The rules first: where the bridge is up, they are.
    firewall::add(&Firewall::open()?, &[rules::network(network)], &[], "")?;
    Ok(up(socket, network)?)
}

/// The rules and the bridge once more, as they have to be.
pub(super) fn renew(engine: &Engine, socket: &Socket, network: &mut Network) -> Result<u32, BridgeError> {
    let index = ensure(engine, socket, network)?;
    firewall::add(&Firewall::open()?, &[rules::network(network)], &[], "")?;
    Ok(index)
}

/// Takes bridge and rules away. What is not this network's stays.
pub(super) fn remove(socket: &Socket, network: &Network) -> Result<(), BridgeError> {
    match remove_bridge(socket, &network.bridge, &mark(network)) {
        Ok(()) | Err(netlink::Error::Foreign { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(firewall::remove_network(&Firewall::open()?, &network.bridge)?)
}

/// When the first choice is somebody else's.
pub(super) fn second_name(network: &Network) -> String {
    format!("ketch-{}", &network.id[..8])
}

fn up(socket: &Socket, network: &Network) -> Result<u32, netlink::Error> {
    let addresses: Vec<(IpAddr, u8)> = network
        .subnets
        .iter()
        .filter_map(|subnet| Some((subnet.gateway?, subnet.subnet.prefix_len())))
        .collect();
    ensure_bridge(
        socket,
        &netlink::Bridge {
            name: &network.bridge,
            mark: &mark(network),
            addresses: &addresses,
            mtu: network.mtu(),
            forward: !network.internal,
        },
    )
}

/// Names the subnets too: a bridge is not what a row says that was read before they changed.
fn mark(network: &Network) -> String {
    let subnets: Vec<String> = network.subnets.iter().map(|subnet| subnet.subnet.to_string()).collect();
    format!("{} {}", network.id, subnets.join(" "))
}

/// A subnet of the network's that the host uses elsewhere, and where.
fn taken(socket: &Socket, network: &Network) -> Result<Option<(ipnet::IpNet, u32)>, netlink::Error> {
    let found = addresses(socket)?;
    Ok(network.subnets.iter().find_map(|own| {
        let other = found.iter().find(|other| {
            ipnet::IpNet::new(other.address, other.prefix)
                .is_ok_and(|net| subnet::overlap(own.subnet, net.trunc()))
        })?;
        Some((own.subnet, other.index))
    }))
}
