//! Published ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use ketch_engine::network::firewall::{self, Isolation, Port, Protocol};

use crate::place::{Host, PATIENCE, address, finish, on_a_host, talk};

fn port(host: Option<IpAddr>, host_port: u16, container_address: IpAddr) -> Port {
    Port { protocol: Protocol::Tcp, host_address: host, host_port, container_address, container_port: 80 }
}

fn publish(ports: &[Port]) {
    firewall::add(&[], ports, "a-container").unwrap();
}

#[test]
fn by_localhost_and_by_each_address_of_the_host() {
    on_a_host(|host: &Host| {
        let bridge = host.network(1, Isolation::None, false);
        let web = host.container(bridge, 1, 2);
        let world = host.world(9);
        publish(&[port(None, 8080, web.v4), port(None, 8080, web.v6)]);
        let (v4, v6) = (web.listen(web.v4, 80), web.listen(web.v6, 80));

        // The container cannot answer 127.0.0.1: it sees the bridge.
        assert_eq!(talk((Ipv4Addr::LOCALHOST, 8080), &v4), address(1, 1).0);
        // Its own addresses as the host sees them, without losing who it was.
        assert_eq!(talk((address(9, 1).0, 8080), &v4), address(9, 1).0);
        assert_eq!(talk((address(9, 1).1, 8080), &v6), address(9, 1).1);
        assert_eq!(talk((address(1, 1).0, 8080), &v4), address(1, 1).0);
        // From outside: the client keeps its address.
        let client = world.run(|| crate::place::connect((address(9, 1).0, 8080)));
        assert_eq!(finish(client, &v4), world.v4);
        let client = world.run(|| crate::place::connect((address(9, 1).1, 8080)));
        assert_eq!(finish(client, &v6), world.v6);
    });
}
