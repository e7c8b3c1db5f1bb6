//! What of the firewall belongs to a network, and to a hold.

use std::net::IpAddr;

use super::Network;
use super::firewall;
use crate::container::options::Protocol;
use crate::state::holds::Hold;

pub(super) fn network(network: &Network) -> firewall::Network<'_> {
    firewall::Network {
        bridge: &network.bridge,
        masquerade: !network.internal,
        internal: network.internal,
        isolation: network.isolation(),
    }
}

/// Published ports lead to the addresses of the first interface.
pub(super) fn ports(hold: &Hold) -> Vec<firewall::Port> {
    let Some(lease) = hold.leases.first() else { return Vec::new() };
    let mut ports = Vec::new();
    for binding in &hold.bindings {
        let is_wanted = |to: &IpAddr| match binding.host_ip {
            None => true,
            Some(ip) => ip.is_ipv4() == to.is_ipv4(),
        };
        for to in super::setup::addresses(lease).filter(is_wanted) {
            // The monitor forwards what comes for [::1]: the kernel cannot lead it away.
            if binding.host_ip.is_some_and(|ip| ip.is_ipv6() && ip.is_loopback()) {
                continue;
            }
            ports.extend((binding.first..=binding.last).zip(binding.container_port..).map(
                |(host_port, container_port)| firewall::Port {
                    protocol: match binding.protocol {
                        Protocol::Tcp => firewall::Protocol::Tcp,
                        Protocol::Udp => firewall::Protocol::Udp,
                    },
                    host_address: binding.host_ip.filter(|ip| !ip.is_unspecified()),
                    host_port,
                    container_address: to,
                    container_port,
                },
            ));
        }
    }
    ports
}
