//! A host with networks, containers on them, and the world outside: all of them namespaces.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use ketch_engine::network::firewall::{self, Firewall, Isolation, Network};
use ketch_engine::network::netlink::{
    Attachment, Bridge, Error, Namespace, Route, Socket, attach, ensure_bridge, loopback_up, mac_of, within,
};

/// Long enough for a machine with much else to do; met only by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test in a thread whose network namespace is its own: `Host`.
pub(crate) fn on_a_host(test: impl FnOnce(&Host) + Send + 'static) {
    let run = move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a network namespace: run as root");
        let host = Host { socket: Socket::open().unwrap(), firewall: Firewall::open().unwrap() };
        loopback_up(Namespace::own().unwrap().as_fd()).unwrap();
        test(&host);
    };
    if let Err(panic) = thread::spawn(run).join() {
        std::panic::resume_unwind(panic);
    }
}

/// The namespace of the test's thread.
pub(crate) struct Host {
    pub(crate) socket: Socket,
    pub(crate) firewall: Firewall,
}

/// Gateways of a network with these numbers: 10.N.0.1/24, fd00:N::1/64.
pub(crate) fn gateways(number: u8) -> [(IpAddr, u8); 2] {
    [(address(number, 1).0, 24), (address(number, 1).1, 64)]
}

/// The addresses of a container of a network.
pub(crate) fn address(network: u8, container: u8) -> (IpAddr, IpAddr) {
    let v4 = format!("10.{network}.0.{container}").parse().unwrap();
    (v4, format!("fd00:{network}::{container}").parse().unwrap())
}

pub(crate) fn bridge_name(number: u8) -> String {
    format!("br{number}")
}

impl Host {
    /// A bridge with both gateways; the firewall does not know it.
    pub(crate) fn bridge(&self, number: u8) -> u32 {
        let (name, addresses) = (bridge_name(number), gateways(number));
        let bridge = Bridge { name: &name, mark: &name, addresses: &addresses, mtu: None, forward: true };
        let index = ensure_bridge(&self.socket, &bridge).unwrap();
        wait_until_local(address(number, 1).1);
        index
    }

    /// A bridge, and its network in the firewall.
    pub(crate) fn network(&self, number: u8, isolation: Isolation, internal: bool) -> u32 {
        let index = self.bridge(number);
        let name = bridge_name(number);
        let network = Network { bridge: &name, masquerade: !internal, internal, isolation };
        firewall::add(&self.firewall, &[network], &[], "").unwrap();
        index
    }

    /// A namespace on a bridge, with address and default routes.
    pub(crate) fn container(&self, bridge: u32, network: u8, number: u8) -> Container {
        let namespace = Namespace::new().unwrap();
        let (v4, v6) = address(network, number);
        let host_name = format!("v{network}-{number}");
        let routes = gateways(network).map(|(gateway, _)| Route { destination: None, gateway, metric: 100 });
        let attachment = Attachment {
            bridge,
            host_name: &host_name,
            namespace: namespace.as_fd(),
            name: "eth0",
            mac: mac_of(&host_name),
            addresses: &[(v4, 24), (v6, 64)],
            routes: &routes,
            mtu: None,
            quiet: false,
        };
        attach(&self.socket, &attachment).unwrap();
        let container = Container { namespace, v4, v6 };
        container.run(|| wait_until_local(v6));
        container
    }

    /// Something outside, which knows no way back to the networks: its gateway is the host, but it has no route.
    pub(crate) fn world(&self, network: u8) -> Container {
        let bridge = self.bridge(network);
        let namespace = Namespace::new().unwrap();
        let (v4, v6) = address(network, 2);
        let attachment = Attachment {
            bridge,
            host_name: "world",
            namespace: namespace.as_fd(),
            name: "eth0",
            mac: mac_of("world"),
            addresses: &[(v4, 24), (v6, 64)],
            routes: &[],
            mtu: None,
            quiet: false,
        };
        attach(&self.socket, &attachment).unwrap();
        let container = Container { namespace, v4, v6 };
        container.run(|| wait_until_local(v6));
        container
    }
}

/// Waits until packets to an IPv6 address of the namespace are taken: the kernel's address worker, which may come late on a
/// busy machine, makes that route after the address. (A container's first packet is sent again in the meantime.)
fn wait_until_local(address: IpAddr) {
    let IpAddr::V6(v6) = address else { return };
    let wanted = format!("{:032x} 80 ", u128::from(v6));
    let begun = Instant::now();
    // The last but one field, flags, has RTF_LOCAL.
    let is_local = |line: &str| {
        let flags =
            line.split_whitespace().rev().nth(1).and_then(|flags| u32::from_str_radix(flags, 16).ok());
        line.starts_with(&wanted) && flags.is_some_and(|flags| flags & 0x8000_0000 != 0)
    };
    while !fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap().lines().any(is_local) {
        assert!(begun.elapsed() < PATIENCE, "{address} is not local");
        thread::yield_now();
    }
}

pub(crate) struct Container {
    pub(crate) namespace: Namespace,
    pub(crate) v4: IpAddr,
    pub(crate) v6: IpAddr,
}

impl Container {
    /// Does something inside.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        within(self.namespace.as_fd(), || Ok::<T, Error>(work())).unwrap()
    }

    pub(crate) fn listen(&self, to: IpAddr, port: u16) -> TcpListener {
        self.run(|| TcpListener::bind((to, port)).unwrap())
    }

    pub(crate) fn udp(&self, address: IpAddr, port: u16) -> UdpSocket {
        let socket = self.run(|| UdpSocket::bind((address, port)).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }
}

/// Connects from where the thread is, has both ends hear each other, and gives the client's address as the server sees
/// it.
pub(crate) fn talk(to: impl Into<SocketAddr>, server: &TcpListener) -> IpAddr {
    finish(connect(to), server)
}

pub(crate) fn connect(to: impl Into<SocketAddr>) -> TcpStream {
    let to = to.into();
    TcpStream::connect_timeout(&to, PATIENCE).unwrap_or_else(|e| panic!("cannot connect to {to}: {e}"))
}

pub(crate) fn finish(mut client: TcpStream, server: &TcpListener) -> IpAddr {
    let (mut accepted, from) = server.accept().unwrap();
    for stream in [&client, &accepted] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let mut heard = [0; 4];
    client.write_all(b"ping").unwrap();
    accepted.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"ping");
    accepted.write_all(b"pong").unwrap();
    client.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"pong");
    from.ip()
}
