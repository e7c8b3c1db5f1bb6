//! Giving back what a container held: first what it means to the kernel, then the rows.

use super::firewall::Firewall;
use super::netlink::{Socket, detach};
use super::{SetupError, firewall, hosts, pasta, rules};
use crate::Engine;
use crate::container::options::Network;
use crate::state::holds::Hold;

/// Gives all of it back. Nothing held is no error; what was given back half-way is given back wholly.
///
/// The caller is the container's monitor, or has its turn and lock: nobody takes anything for it meanwhile.
pub(crate) fn release(engine: &Engine, container: &str) -> Result<(), SetupError> {
    pasta::end(&engine.paths.container_run(container))?;
    match engine.db.hold_of(container)? {
        Some(hold) => release_hold(engine, container, &hold),
        None => Ok(()),
    }
}

pub(super) fn release_hold(engine: &Engine, container: &str, hold: &Hold) -> Result<(), SetupError> {
    if !hold.bindings.is_empty() {
        let firewall = Firewall::open()?;
        firewall::remove_ports(&firewall, &rules::ports(hold))?;
        // Its close(2) waits some 14 ms for RCU after a removal. The end of the process does that as well, when nobody
        // waits for this any more.
        std::mem::forget(firewall);
    }
    // The interfaces die with their namespace, unless another container is in it still.
    if !hold.leases.is_empty() && is_joined(engine, container)? {
        let socket = Socket::open()?;
        for lease in &hold.leases {
            detach(&socket, &lease.host_interface)?;
        }
    }
    engine.db.give_back(hold.id)?;
    let mut networks = Vec::new();
    for lease in &hold.leases {
        networks.extend(engine.db.network(&lease.network)?);
    }
    hosts::refresh(engine, networks.iter())
}

fn is_joined(engine: &Engine, container: &str) -> Result<bool, SetupError> {
    let others = engine.db.containers()?;
    Ok(others.iter().any(|other| matches!(&other.options.network, Network::Container(id) if id == container)))
}
