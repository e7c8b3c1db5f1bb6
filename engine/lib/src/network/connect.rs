//! `network connect`, `network disconnect` and `network reload`: what changes while a container lives.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::Engine;
use crate::container::FileError;
use crate::container::options::{Endpoint, Network as Mode};
use crate::container::status;
use crate::container::turn::Turn;
use crate::state;
use crate::state::containers::{FindError, Record};
use crate::state::holds::Hold;
use crate::state::networks::FindNetworkError;

use super::firewall::{self, Firewall};
use super::netlink::{self, Socket, detach, find_link};
use super::{Network, SetupError, bridge, hosts, reserve, rules, setup};

/// podman's words where it has them.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Network(#[from] FindNetworkError),
    #[error(transparent)]
    Container(#[from] FindError),
    #[error("{0:?} is not supported: invalid network mode")]
    Mode(String),
    #[error(
        "container {container} is already connected to network {network:?}: network is already connected"
    )]
    Connected { container: String, network: String },
    #[error("container {container} is not connected to network {network}")]
    NotConnected { container: String, network: String },
    #[error("interface name {0:?} is in use in the container")]
    Interface(String),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Kernel(#[from] netlink::Error),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Puts a container on one more network: at once if it runs, and whenever it is started.
pub fn connect(engine: &Engine, container: &str, mut endpoint: Endpoint) -> Result<(), ConnectError> {
    let id = engine.db.find_container(container)?.id;
    let _turn = Turn::take(&engine.paths, &id)?;
    let mut record = engine.db.find_container(&id)?;
    let socket = Socket::open()?;
    let mut network = setup::find(engine, &socket, &endpoint.network)?;
    endpoint.network.clone_from(&network.name);
    let Mode::Bridge(endpoints) = &mut record.options.network else {
        return Err(ConnectError::Mode(record.options.network.name()));
    };
    if endpoints.iter().any(|other| other.network == network.name) {
        return Err(ConnectError::Connected { container: id, network: network.name });
    }
    endpoints.push(endpoint.clone());
    if let Some((namespace, hold)) = running(engine, &id)? {
        let index = bridge::ensure(engine, &socket, &mut network).map_err(SetupError::from)?;
        let used: Vec<&str> = hold.leases.iter().map(|lease| &*lease.interface).collect();
        let name = match &endpoint.interface {
            Some(name) if used.contains(&&**name) => return Err(ConnectError::Interface(name.clone())),
            Some(name) => name.clone(),
            None => {
                (0..).map(|n| format!("eth{n}")).find(|name| !used.contains(&&**name)).unwrap_or_default()
            }
        };
        let want = setup::want(&network, &endpoint, name)?;
        let lease = reserve::extend(engine, hold.id, &want)?;
        if let Err(error) = setup::connect(&socket, namespace.as_fd(), &network, index, &lease, false) {
            engine.db.give_lease_back(hold.id, &lease.host_interface)?;
            return Err(error.into());
        }
        hosts::add_own(engine, &record, setup::addresses(&lease))?;
    }
    engine.db.set_options(&id, &record.options)?;
    Ok(hosts::refresh(engine, std::iter::once(&network))?)
}

/// Takes a container off a network: at once if it runs.
pub fn disconnect(engine: &Engine, container: &str, network: &str) -> Result<(), ConnectError> {
    let id = engine.db.find_container(container)?.id;
    let _turn = Turn::take(&engine.paths, &id)?;
    let mut record = engine.db.find_container(&id)?;
    let network = engine.db.find_network(network)?;
    let Mode::Bridge(endpoints) = &mut record.options.network else {
        return Err(ConnectError::Mode(record.options.network.name()));
    };
    let before = endpoints.len();
    endpoints.retain(|endpoint| endpoint.network != network.name);
    if endpoints.len() == before {
        return Err(ConnectError::NotConnected { container: id, network: network.name });
    }
    // Before anything goes: who is killed half-way has less than the row says, and the rest is found by its hold.
    engine.db.set_options(&id, &record.options)?;
    let Some((_namespace, hold)) = running(engine, &id)? else { return Ok(()) };
    let Some(lease) = hold.leases.iter().find(|lease| lease.network == network.id) else { return Ok(()) };
    detach(&Socket::open()?, &lease.host_interface)?;
    let remaining = Hold {
        leases: hold.leases.iter().filter(|other| *other != lease).cloned().collect(),
        ..hold.clone()
    };
    // Published ports lead to the next network, if there is one.
    if !hold.bindings.is_empty() && rules::ports(&hold) != rules::ports(&remaining) {
        let firewall = Firewall::open().map_err(SetupError::from)?;
        firewall::remove_ports(&firewall, &rules::ports(&hold)).map_err(SetupError::from)?;
        firewall::add(&firewall, &[], &rules::ports(&remaining), &id).map_err(SetupError::from)?;
    }
    engine.db.give_lease_back(hold.id, &lease.host_interface)?;
    hosts::remove_own(engine, &id, setup::addresses(lease))?;
    Ok(hosts::refresh(engine, std::iter::once(&network))?)
}

/// Makes anew what of a running container's networks is missing: a flushed firewall, a deleted bridge or interface.
pub fn reload(engine: &Engine, record: &Record) -> Result<(), ConnectError> {
    let _turn = Turn::take(&engine.paths, &record.id)?;
    let Some((namespace, hold)) = running(engine, &record.id)? else { return Ok(()) };
    let socket = Socket::open()?;
    let mut networks: Vec<Network> = Vec::new();
    for lease in &hold.leases {
        let found = engine.db.network(&lease.network)?;
        let mut network = found.ok_or_else(|| FindNetworkError::NotFound(lease.network.clone()))?;
        let index = bridge::renew(engine, &socket, &mut network).map_err(SetupError::from)?;
        match find_link(&socket, &lease.host_interface)? {
            Some(link) if link.master == Some(index) => {}
            Some(_) => {
                detach(&socket, &lease.host_interface)?;
                setup::connect(&socket, namespace.as_fd(), &network, index, lease, false)?;
            }
            None => setup::connect(&socket, namespace.as_fd(), &network, index, lease, false)?,
        }
        networks.push(network);
    }
    let firewall = Firewall::open().map_err(SetupError::from)?;
    let of_networks: Vec<_> = networks.iter().map(rules::network).collect();
    firewall::add(&firewall, &of_networks, &rules::ports(&hold), &record.id).map_err(SetupError::from)?;
    Ok(())
}

/// The network namespace of a container that runs on bridges, and what it holds.
fn running(engine: &Engine, id: &str) -> Result<Option<(File, Hold)>, ConnectError> {
    let pid = status(&engine.paths, id).pid();
    if pid == 0 {
        return Ok(None);
    }
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    let Ok(namespace) = File::open(&path) else { return Ok(None) };
    // Asked after the open: it was that container's init whose namespace this is.
    if status(&engine.paths, id).pid() != pid {
        return Ok(None);
    }
    Ok(engine.db.hold_of(id)?.map(|hold| (namespace, hold)))
}
