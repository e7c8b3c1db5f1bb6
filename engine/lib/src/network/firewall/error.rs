use super::Port;
use crate::network::netlink;

/// What came of a change of the firewall; nothing of it is done then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Kernel(#[from] netlink::Error),
    /// It leads to another container's address.
    #[error("port {} of the host is published already", .0.host_port)]
    PortTaken(Port),
    /// An IPv4 address of the host and an IPv6 one of a container, or the other way round.
    #[error("an address of the host and one of a container of different families: {} and {}", .0.host_address.map(|a| a.to_string()).unwrap_or_default(), .0.container_address)]
    Families(Port),
}
