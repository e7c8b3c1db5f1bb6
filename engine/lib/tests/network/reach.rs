//! Who reaches whom, and as whom.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ketch_engine::network::firewall::{self, Isolation, Network};
use nix::sys::socket::{setsockopt, sockopt::BindToDevice};

use crate::place::{Container, Host, PATIENCE, address, bridge_name, connect, finish, on_a_host, talk};

#[test]
fn the_world_sees_the_host() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::None, false);
        let inside = host.container(bridge, 1, 2);
        let world = host.world(9);
        let (v4, v6) = (world.listen(world.v4, 80), world.listen(world.v6, 80));
        assert_eq!(finish(inside.run(|| connect((world.v4, 80))), &v4), address(9, 1).0);
        assert_eq!(finish(inside.run(|| connect((world.v6, 80))), &v6), address(9, 1).1);
    });
}

#[test]
fn a_neighbour_sees_a_container_as_it_is() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::Strict, false);
        let (one, two) = (host.container(bridge, 1, 2), host.container(bridge, 1, 3));
        let (v4, v6) = (two.listen(two.v4, 80), two.listen(two.v6, 80));
        assert_eq!(finish(one.run(|| connect((two.v4, 80))), &v4), one.v4);
        assert_eq!(finish(one.run(|| connect((two.v6, 80))), &v6), one.v6);
        // The host, too.
        assert_eq!(talk((two.v4, 80), &v4), address(1, 1).0);
        assert_eq!(talk((two.v6, 80), &v6), address(1, 1).1);
    });
}

#[test]
fn a_container_reaches_itself_by_loopback() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::None, false);
        let one = host.container(bridge, 1, 2);
        let server = one.listen(Ipv4Addr::LOCALHOST.into(), 80);
        finish(one.run(|| connect((Ipv4Addr::LOCALHOST, 80))), &server);
    });
}

/// Sends datagrams from one container to another, and after each one from the host, which is let through in any case;
/// says that the others arrive, too, or that none does.
fn assert_reaches(from: &Container, to: &Container, reaches: bool, what: &str) {
    for (from_address, to_address) in [(from.v4, to.v4), (from.v6, to.v6)] {
        let (server, client) = (to.udp(to_address, 9), from.udp(from_address, 0));
        let host = UdpSocket::bind(if to_address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).unwrap();
        // A datagram may be lost, and one may overtake another.
        server.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let begun = Instant::now();
        let (mut forwarded, mut direct) = (false, false);
        while !(direct && (forwarded || !reaches)) {
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}, to {to_address}: forwarded {forwarded}, direct {direct}"
            );
            client.send_to(b"forwarded", (to_address, 9)).unwrap();
            host.send_to(b"host", (to_address, 9)).unwrap();
            let mut buffer = [0; 16];
            while let Ok((length, _)) = server.recv_from(&mut buffer) {
                forwarded |= &buffer[..length] == b"forwarded";
                direct |= &buffer[..length] == b"host";
                if direct && (forwarded || !reaches) {
                    break;
                }
            }
        }
        assert_eq!(forwarded, reaches, "{what}, to {to_address}");
    }
}

fn first(server: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 16];
    let (length, _) = server.recv_from(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

fn allow(host: &Host, number: u8, isolation: Isolation, internal: bool) {
    let name = bridge_name(number);
    let network = Network { bridge: &name, masquerade: !internal, internal, isolation };
    firewall::add(&host.firewall, &[network], &[], "").unwrap();
}

#[test]
fn isolated_networks() {
    use Isolation::{Isolated, None, Strict};
    let cases = [
        (None, None, true),
        (None, Isolated, true),
        (Isolated, None, true),
        (Isolated, Isolated, false),
        (None, Strict, false),
        (Strict, None, false),
        (Isolated, Strict, false),
        (Strict, Strict, false),
    ];
    on_a_host(move |host| {
        let bridges = [host.bridge(1), host.bridge(2)];
        let (one, two) = (host.container(bridges[0], 1, 2), host.container(bridges[1], 2, 2));
        for (first, second, reaches) in cases {
            for (number, isolation) in [(1, first), (2, second)] {
                firewall::remove_network(&host.firewall, &bridge_name(number)).unwrap();
                allow(host, number, isolation, false);
            }
            assert_reaches(&one, &two, reaches, &format!("from {first:?} to {second:?}"));
            assert_reaches(&two, &one, reaches, &format!("from {second:?} to {first:?}"));
        }
    });
}

#[test]
fn an_internal_network() {
    on_a_host(|host| {
        let bridge = host.bridge(1);
        let inside = host.container(bridge, 1, 2);
        let world = host.world(9);
        allow(host, 1, Isolation::None, false);
        assert_reaches(&inside, &world, true, "from a network");
        firewall::remove_network(&host.firewall, &bridge_name(1)).unwrap();
        allow(host, 1, Isolation::None, true);
        assert_reaches(&inside, &world, false, "from an internal network");
    });
}

/// The bridges route 127/8, which is for the host alone.
#[test]
fn loopback_of_the_host_is_not_for_containers() {
    on_a_host(|host| {
        let bridge = host.bridge(1);
        let inside = host.container(bridge, 1, 2);
        let server = UdpSocket::bind("0.0.0.0:9").unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let first_of_both = || {
            let client = inside.udp(inside.v4, 0);
            // Its own loopback is passed over.
            inside.run(|| setsockopt(&client.as_fd(), BindToDevice, &"eth0".into())).unwrap();
            client.send_to(b"spoofed", "127.0.0.1:9").unwrap();
            client.send_to(b"honest", (address(1, 1).0, 9)).unwrap();
            first(&server)
        };
        // As it is without a firewall: the kernel alone would take it.
        assert_eq!(first_of_both(), b"spoofed");
        assert_eq!(first(&server), b"honest");
        allow(host, 1, Isolation::None, false);
        assert_eq!(first_of_both(), b"honest");
    });
}
