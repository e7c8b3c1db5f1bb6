//! Published ports.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket};

use ketch_engine::network::firewall::{self, Error, Isolation, Port, Protocol};

use crate::place::{Host, PATIENCE, address, connect, finish, on_a_host, talk};

fn port(host_address: Option<IpAddr>, host_port: u16, container_address: IpAddr) -> Port {
    Port { protocol: Protocol::Tcp, host_address, host_port, container_address, container_port: 80 }
}

fn publish(host: &Host, ports: &[Port]) {
    firewall::add(&host.firewall, &[], ports, "a-container").unwrap();
}

fn published(host: &Host) -> Vec<Port> {
    firewall::list(&host.firewall).unwrap().ports.into_iter().map(|(port, _)| port).collect()
}

fn assert_refused(to: (IpAddr, u16)) {
    let error = TcpStream::connect_timeout(&to.into(), PATIENCE).expect_err("nothing listens there");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{to:?}: {error}");
}

#[test]
fn by_localhost_and_by_each_address_of_the_host() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::None, false);
        let web = host.container(bridge, 1, 2);
        let world = host.world(9);
        publish(host, &[port(None, 8080, web.v4), port(None, 8080, web.v6)]);
        let (v4, v6) = (web.listen(web.v4, 80), web.listen(web.v6, 80));

        // The container cannot answer 127.0.0.1: it sees the bridge.
        assert_eq!(talk((Ipv4Addr::LOCALHOST, 8080), &v4), address(1, 1).0);
        assert_eq!(talk((address(9, 1).0, 8080), &v4), address(9, 1).0);
        assert_eq!(talk((address(9, 1).1, 8080), &v6), address(9, 1).1);
        assert_eq!(talk((address(1, 1).0, 8080), &v4), address(1, 1).0);
        // From outside: the client keeps its address.
        assert_eq!(finish(world.run(|| connect((address(9, 1).0, 8080))), &v4), world.v4);
        assert_eq!(finish(world.run(|| connect((address(9, 1).1, 8080))), &v6), world.v6);
    });
}

#[test]
fn until_they_are_removed() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::None, false);
        let web = host.container(bridge, 1, 2);
        let server = web.listen(web.v4, 80);
        let ports = [port(None, 8080, web.v4), port(Some(address(1, 1).0), 8081, web.v4)];
        publish(host, &ports);
        talk((Ipv4Addr::LOCALHOST, 8080), &server);
        talk((address(1, 1).0, 8081), &server);

        firewall::remove_ports(&host.firewall, &ports).unwrap();
        assert_refused((Ipv4Addr::LOCALHOST.into(), 8080));
        assert_refused((address(1, 1).0, 8081));
        // Once more, as after a command that died half-way.
        firewall::remove_ports(&host.firewall, &ports).unwrap();
        assert_eq!(published(host), []);
    });
}

#[test]
fn at_one_address_only() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::None, false);
        let (one, two) = (host.container(bridge, 1, 2), host.container(bridge, 1, 3));
        let _world = host.world(9);
        publish(
            host,
            &[
                port(Some(Ipv4Addr::LOCALHOST.into()), 8080, one.v4),
                port(Some(address(9, 1).0), 8080, two.v4),
                port(Some(address(9, 1).1), 8080, two.v6),
            ],
        );
        let (local, far4, far6) = (one.listen(one.v4, 80), two.listen(two.v4, 80), two.listen(two.v6, 80));
        talk((Ipv4Addr::LOCALHOST, 8080), &local);
        talk((address(9, 1).0, 8080), &far4);
        talk((address(9, 1).1, 8080), &far6);
        assert_refused((address(1, 1).0, 8080));
        assert_refused((address(1, 1).1, 8080));
        assert_refused((Ipv4Addr::new(127, 0, 0, 2).into(), 8080));
    });
}

#[test]
fn of_udp() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::None, false);
        let name = host.container(bridge, 1, 2);
        let world = host.world(9);
        let published = Port {
            protocol: Protocol::Udp,
            host_address: None,
            host_port: 53,
            container_address: name.v4,
            container_port: 5353,
        };
        // The same port of another protocol is another port.
        publish(host, &[published, port(None, 53, address(1, 7).0)]);
        let server = name.udp(name.v4, 5353);
        let ask = |client: &UdpSocket, to: IpAddr| {
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.connect((to, 53)).unwrap();
            client.send(b"ask").unwrap();
            let mut buffer = [0; 16];
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"ask");
            server.send_to(b"answer", from).unwrap();
            let length = client.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"answer");
        };
        ask(&UdpSocket::bind("127.0.0.1:0").unwrap(), Ipv4Addr::LOCALHOST.into());
        ask(&UdpSocket::bind("0.0.0.0:0").unwrap(), address(9, 1).0);
        ask(&world.udp(world.v4, 0), address(9, 1).0);
    });
}

#[test]
fn reached_by_the_container_itself_and_by_a_neighbour() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::None, false);
        let (web, neighbour) = (host.container(bridge, 1, 2), host.container(bridge, 1, 3));
        let _world = host.world(9);
        publish(host, &[port(None, 8080, web.v4), port(None, 8080, web.v6)]);
        let (v4, v6) = (web.listen(web.v4, 80), web.listen(web.v6, 80));
        for bridged in ["0", "1"] {
            for file in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
                // It is there if br_netfilter is.
                let _ = fs::write(format!("/proc/sys/net/bridge/{file}"), bridged);
            }
            for client in [&web, &neighbour] {
                for by in [address(1, 1), address(9, 1)] {
                    // By the bridge's address, so that the answer comes back by it.
                    assert_eq!(finish(client.run(|| connect((by.0, 8080))), &v4), address(1, 1).0);
                    assert_eq!(finish(client.run(|| connect((by.1, 8080))), &v6), address(1, 1).1);
                }
            }
        }
    });
}

#[test]
fn taken_by_another_container() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::None, false);
        let (one, two) = (host.container(bridge, 1, 2), host.container(bridge, 1, 3));
        publish(host, &[port(None, 8080, one.v4)]);
        // Again is as good.
        publish(host, &[port(None, 8080, one.v4)]);

        let wanted = [port(None, 8079, two.v4), port(None, 8080, two.v4), port(None, 8081, two.v4)];
        let error = firewall::add(&host.firewall, &[], &wanted, "another").unwrap_err();
        assert!(matches!(&error, Error::PortTaken(taken) if *taken == wanted[1]), "{error}");
        assert_eq!(error.to_string(), "port 8080 of the host is published already");
        // Nothing was done, and what is removed of `two` is nothing of `one`'s.
        assert_eq!(published(host), [port(None, 8080, one.v4)]);
        firewall::remove_ports(&host.firewall, &wanted).unwrap();
        assert_eq!(published(host), [port(None, 8080, one.v4)]);
    });
}

#[test]
fn thousands() {
    on_a_host(|host| {
        let bridge = host.network(1, Isolation::None, false);
        let web = host.container(bridge, 1, 2);
        let range: Vec<Port> = (1000..9000)
            .map(|number| Port { container_port: number, ..port(None, number, web.v4) })
            .collect();
        publish(host, &range);
        assert_eq!(published(host), range);
        talk((Ipv4Addr::LOCALHOST, 4711), &web.listen(web.v4, 4711));
        firewall::remove_ports(&host.firewall, &range).unwrap();
        assert_eq!(published(host), []);
    });
}

#[test]
fn of_two_families() {
    on_a_host(|host| {
        let mixed = port(Some(address(1, 1).0), 80, address(1, 2).1);
        let error = firewall::add(&host.firewall, &[], std::slice::from_ref(&mixed), "").unwrap_err();
        assert!(matches!(error, Error::Families(found) if found == mixed));
    });
}
