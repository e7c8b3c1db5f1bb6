//! Published ports: which they are, and the sockets that hold them against the host's own programs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use ketch_monitor::config::Forward;
use ketch_sys::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};
use std::os::fd::AsRawFd;

use crate::Engine;
use crate::container::options::{Network, Options, Port, Protocol};
use crate::state::containers::{FindError, Record};
use crate::state::holds::{Binding, Lease};

/// Most sockets that are held for one container. Of a longer list, the rest is kept free among ketch's own containers alone.
const HELD: usize = 256;

/// podman's words.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on the {} port: listen {}{}: bind: {reason}", .protocol.name().to_uppercase(), .protocol.name(), shown(*.address, *.port))]
pub struct ListenError {
    pub protocol: Protocol,
    /// None: all addresses.
    pub address: Option<IpAddr>,
    pub port: u16,
    pub reason: String,
}

/// `4 :80`, `4 127.0.0.1:80`, `6 [::1]:80`: a family, and Go's form of an address.
fn shown(address: Option<IpAddr>, port: u16) -> String {
    match address {
        None => format!("4 :{port}"),
        Some(IpAddr::V4(ip)) if ip.is_unspecified() => format!("4 :{port}"),
        Some(ip @ IpAddr::V4(_)) => format!("4 {ip}:{port}"),
        Some(ip @ IpAddr::V6(_)) => format!("6 [{ip}]:{port}"),
    }
}

/// The ports of the host that lead to a container: its own, or those of the container whose network it shares.
pub fn ports_of(engine: &Engine, record: &Record) -> Result<Vec<Port>, FindError> {
    match &record.options.network {
        Network::Bridge(_) | Network::Pasta(_) => Ok(record.options.ports.clone()),
        Network::Container(id) => match engine.db.find_container(id) {
            Ok(other) => Ok(other.options.ports),
            Err(FindError::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        },
        Network::None | Network::Host | Network::Path(_) => Ok(Vec::new()),
    }
}

/// Settles what must not change from one start to the next: `-P`, and which ports "a random one" means.
pub(crate) fn settle(options: &mut Options) -> Result<(), ListenError> {
    if options.publish_all {
        for exposed in options.expose.clone() {
            let is_published = |port: &Port| {
                let inside = port.container_port..=port.container_port.saturating_add(port.count - 1);
                port.protocol == exposed.protocol && inside.contains(&exposed.port)
            };
            if !options.ports.iter().any(is_published) {
                options.ports.push(Port {
                    host_ip: None,
                    host_port: None,
                    container_port: exposed.port,
                    count: 1,
                    protocol: exposed.protocol,
                });
            }
        }
    }
    for port in &mut options.ports {
        if port.host_port.is_none() {
            port.host_port = Some(random(port)?);
        }
    }
    Ok(())
}

/// A port that is free at this moment, as many more behind it as are wanted.
fn random(port: &Port) -> Result<u16, ListenError> {
    let address = port.host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let failed = |error: std::io::Error| ListenError {
        protocol: port.protocol,
        address: port.host_ip,
        port: 0,
        reason: Errno::from_raw(error.raw_os_error().unwrap_or(0)).desc().to_lowercase(),
    };
    let bound = |number: u16| -> std::io::Result<SocketAddr> {
        match port.protocol {
            Protocol::Tcp => TcpListener::bind((address, number))?.local_addr(),
            Protocol::Udp => UdpSocket::bind((address, number))?.local_addr(),
        }
    };
    let mut last = bound(0).map_err(failed)?.port();
    // A single one is right at once.
    for _ in 0..1000 {
        let others = (1..port.count).map(|more| last.checked_add(more));
        if others.into_iter().all(|other| other.is_some_and(|other| bound(other).is_ok())) {
            return Ok(last);
        }
        last = bound(0).map_err(failed)?.port();
    }
    Err(ListenError {
        protocol: port.protocol,
        address: port.host_ip,
        port: 0,
        reason: format!("no {} free ports in a row", port.count),
    })
}

pub(super) fn bindings(ports: &[Port]) -> Vec<Binding> {
    let binding = |port: &Port| {
        let first = port.host_port?;
        let last = first.checked_add(port.count - 1)?;
        Some(Binding {
            protocol: port.protocol,
            host_ip: port.host_ip,
            first,
            last,
            container_port: port.container_port,
        })
    };
    ports.iter().filter_map(binding).collect()
}

/// Sockets of the host, and what of them the monitor has to forward.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) sockets: Vec<OwnedFd>,
    pub(super) forwards: Vec<Forward>,
}

/// Takes the ports, as any program would. `lease` is where they lead.
///
/// What comes for a port is led away by the firewall before a socket sees it. There is one way that the kernel cannot lead
/// away: from the host's own `[::1]`. Such connections do come to the socket, and the monitor forwards them.
pub(super) fn hold(bindings: &[Binding], lease: Option<&Lease>) -> Result<Held, ListenError> {
    let mut held = Held::default();
    let target = lease.and_then(|lease| lease.v6.map(IpAddr::V6).or(lease.v4.map(IpAddr::V4)));
    for binding in bindings {
        for (number, port) in (binding.first..=binding.last).enumerate() {
            let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
            let addresses = binding.host_ip.as_ref().map_or(&all[..], std::slice::from_ref);
            for address in addresses {
                if held.sockets.len() == HELD {
                    return Ok(held);
                }
                let socket = match listening(binding.protocol, SocketAddr::new(*address, port)) {
                    Ok(socket) => socket,
                    // Nobody asked for IPv6 on a host that has none.
                    Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL)
                        if binding.host_ip.is_none() && address.is_ipv6() =>
                    {
                        continue;
                    }
                    Err(errno) => {
                        let (protocol, address) = (binding.protocol, Some(*address));
                        let reason = errno.desc().to_lowercase();
                        return Err(ListenError { protocol, address, port, reason });
                    }
                };
                if let Some(to) = target
                    && address.is_ipv6()
                    && binding.protocol == Protocol::Tcp
                {
                    let to = SocketAddr::new(to, binding.container_port + number as u16);
                    held.forwards.push(Forward { held: held.sockets.len(), to });
                }
                held.sockets.push(socket);
            }
        }
    }
    Ok(held)
}

/// As Go's net.Listen: SO_REUSEADDR, so that connections of before, which the kernel still remembers, are no hindrance.
fn listening(protocol: Protocol, address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let kind = match protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
    };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    if protocol == Protocol::Tcp {
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    if protocol == Protocol::Tcp {
        listen(&socket, Backlog::new(128)?)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_podmans() {
        for (protocol, address, expected) in [
            (Protocol::Tcp, None, "cannot listen on the TCP port: listen tcp4 :80: bind: x"),
            (Protocol::Tcp, Some("0.0.0.0"), "cannot listen on the TCP port: listen tcp4 :80: bind: x"),
            (
                Protocol::Udp,
                Some("127.0.0.1"),
                "cannot listen on the UDP port: listen udp4 127.0.0.1:80: bind: x",
            ),
            (Protocol::Tcp, Some("::1"), "cannot listen on the TCP port: listen tcp6 [::1]:80: bind: x"),
        ] {
            let address = address.map(|text| text.parse().unwrap());
            let error = ListenError { protocol, address, port: 80, reason: "x".into() };
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn ports_are_settled_once() {
        let port = |host_port, container_port, count| Port {
            host_ip: None,
            host_port,
            container_port,
            count,
            protocol: Protocol::Tcp,
        };
        let exposed = |port| crate::container::options::Exposed { port, protocol: Protocol::Tcp };
        let mut options = Options {
            publish_all: true,
            expose: vec![exposed(80), exposed(81), exposed(90)],
            ports: vec![port(Some(8080), 80, 2), port(None, 70, 3)],
            ..Options::default()
        };
        settle(&mut options).unwrap();
        assert_eq!(options.ports[0], port(Some(8080), 80, 2));
        assert!(options.ports[1].host_port.is_some());
        assert_eq!(options.ports.len(), 3, "80 and 81 are published already");
        assert_eq!(options.ports[2].container_port, 90);
        assert!(options.ports[2].host_port.is_some());
        let before = options.clone();
        settle(&mut options).unwrap();
        assert_eq!(options, before);
    }
}
