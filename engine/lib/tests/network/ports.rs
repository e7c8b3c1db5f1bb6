//! Published ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use ketch_engine::network::firewall::{self, Isolation, Port, Protocol};

use crate::place::{Host, PATIENCE, address, finish, on_a_host, talk};

fn port(host: Option<IpAddr>, host_port: u16, container_address: IpAddr) -> Port {
    Port { protocol: Protocol::Tcp, host_address: host, host_port, container_address, container_port: 80 }
}

fn publish(host: &Host, ports: &[Port]) {
    firewall::add(&host.firewall, &[], ports, "a-container").unwrap();
}

#[test]
fn by_localhost_and_by_each_address_of_the_host() {
    on_a_host(|host: &Host| {
        let bridge = host.network(1, Isolation::None, false);
        let web = host.container(bridge, 1, 2);
        let world = host.world(9);
        publish(host, &[port(None, 8080, web.v4), port(None, 8080, web.v6)]);
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
#[test]
fn speed() {
    on_a_host(|host: &Host| {
        use ketch_engine::network::netlink::*;
        use std::os::fd::AsFd;
        use std::time::Instant;
        let bridge = host.network(1, Isolation::None, false);
        let mut t = vec![];
        let mut keep = vec![];
        for i in 0..100u8 {
            let s0 = Instant::now();
            let ns = Namespace::new().unwrap();
            let s1 = Instant::now();
            let socket = Socket::open().unwrap();
            let (n, g) = (crate::place::bridge_name(1), crate::place::gateways(1));
            let b = ensure_bridge(
                &socket,
                &Bridge { name: &n, mark: &n, addresses: &g, mtu: None, forward: true },
            )
            .unwrap();
            assert_eq!(b, bridge);
            let s2 = Instant::now();
            let (v4, v6) = address(1, i + 2);
            let hn = format!("v{i}");
            attach(
                &socket,
                &Attachment {
                    bridge,
                    host_name: &hn,
                    namespace: ns.as_fd(),
                    name: "eth0",
                    mac: mac_of(&hn),
                    addresses: &[(v4, 24), (v6, 64)],
                    routes: &g.map(|(gateway, _)| Route { destination: None, gateway, metric: 100 }),
                    mtu: None,
                },
            )
            .unwrap();
            let s3 = Instant::now();
            let fw = firewall::Firewall::open().unwrap();
            firewall::add(
                &fw,
                &[firewall::Network {
                    bridge: &n,
                    masquerade: true,
                    internal: false,
                    isolation: Isolation::None,
                }],
                &[port(None, 1000 + i as u16, v4)],
                "x",
            )
            .unwrap();
            let s4 = Instant::now();
            drop(fw);
            let fw = firewall::Firewall::open().unwrap();
            firewall::remove_ports(&fw, &[port(None, 1000 + i as u16, v4)]).unwrap();
            let s5 = Instant::now();
            keep.push(ns);
            t.push([s1 - s0, s2 - s1, s3 - s2, s4 - s3, s5 - s4]);
        }
        for (k, name) in ["namespace", "ensure", "attach", "fw add", "fw remove"].iter().enumerate() {
            let mut v: Vec<_> = t.iter().map(|t| t[k]).collect();
            v.sort();
            println!("{name}: min {:?} median {:?} p90 {:?}", v[0], v[50], v[90]);
        }
    });
}
