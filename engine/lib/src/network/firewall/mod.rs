//! What the kernel's firewall does for networks: nf_tables, spoken directly.
//!
//! One table for all engines of a host, `inet ketch`, is made with the first network. Its rules never change: networks
//! and published ports are elements of its sets and maps, so a packet's way is as long with a thousand containers as
//! with one. Each change is one transaction, done wholly or not at all, whatever dies.

mod change;
mod element;
mod error;
mod expression;
mod layout;
mod list;
mod table;
mod transaction;

use std::net::IpAddr;

pub use change::{add, remove_if_empty, remove_network, remove_ports};
pub use error::Error;
pub use list::{Contents, list};
pub use transaction::Firewall;

/// How a network's packets are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network<'a> {
    /// The name of its bridge.
    pub bridge: &'a str,
    /// What leaves the bridge gets the host's address.
    pub masquerade: bool,
    /// Nothing leaves the bridge but to the host, and nothing comes from beyond the host.
    pub internal: bool,
    pub isolation: Isolation,
}

/// podman's `--opt isolate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    #[default]
    None,
    /// No packet to or from another network that is isolated.
    Isolated,
    /// No packet to or from any other network.
    Strict,
}

/// A port of the host that leads to one of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    pub protocol: Protocol,
    /// None: any address of the host, of the family of the container's.
    pub host_address: Option<IpAddr>,
    pub host_port: u16,
    pub container_address: IpAddr,
    pub container_port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

#[cfg(test)]
mod tests;
