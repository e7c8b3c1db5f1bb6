//! Bridges and what is attached to them.

use std::fs;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Barrier;
use std::thread;

use ketch_engine::network::firewall::{self, Firewall, Isolation, Network, Port, Protocol};
use ketch_engine::network::netlink::{
    Address, Attachment, Bridge, Error, Namespace, Route, Socket, addresses, attach, detach, ensure_bridge,
    find_link, links, mac_of, remove_bridge, within,
};
use nix::errno::Errno;

use crate::place::{address, connect, finish, gateways, on_a_host};

fn bridge<'a>(name: &'a str, mark: &'a str, addresses: &'a [(IpAddr, u8)]) -> Bridge<'a> {
    Bridge { name, mark, addresses, mtu: Some(1400), forward: true }
}

#[test]
fn made_once_and_removed() {
    on_a_host(|host| {
        let gateways = gateways(1);
        let wanted = bridge("br", "a network", &gateways);
        let index = ensure_bridge(&host.socket, &wanted).unwrap();
        assert_eq!(ensure_bridge(&host.socket, &wanted).unwrap(), index);

        let link = find_link(&host.socket, "br").unwrap().unwrap();
        assert_eq!((link.index, link.kind.as_str(), link.mtu), (index, "bridge", 1400));
        assert_eq!((link.is_up, link.mac), (true, mac_of("a network")));
        let mut found: Vec<String> = addresses(&host.socket)
            .unwrap()
            .into_iter()
            .filter(|address| address.index == index)
            .map(|Address { address, prefix, .. }| format!("{address}/{prefix}"))
            .collect();
        found.sort();
        assert_eq!(found, ["10.1.0.1/24", "fd00:1::1/64", "fe80::1/64"]);

        remove_bridge(&host.socket, "br", "a network").unwrap();
        remove_bridge(&host.socket, "br", "a network").unwrap();
        assert_eq!(find_link(&host.socket, "br").unwrap(), None);
    });
}

#[test]
fn of_somebody_else() {
    on_a_host(|host| {
        ensure_bridge(&host.socket, &bridge("br", "a network", &[])).unwrap();
        let is_foreign = |result| matches!(result, Err(Error::Foreign { name }) if name == "br");
        assert!(is_foreign(ensure_bridge(&host.socket, &bridge("br", "another", &[])).map(drop)));
        assert!(is_foreign(remove_bridge(&host.socket, "br", "another")));
        assert!(find_link(&host.socket, "br").unwrap().is_some());
    });
}

#[test]
fn forwarding_is_turned_on_and_advertisements_are_still_taken() {
    on_a_host(|host| {
        let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap();
        // An uplink by which the host learns its default route.
        ensure_bridge(&host.socket, &Bridge { forward: false, ..bridge("uplink", "x", &[]) }).unwrap();
        fs::write("/proc/sys/net/ipv6/conf/uplink/accept_ra", "1").unwrap();
        fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "0").unwrap();

        let gateways = gateways(1);
        let wanted = bridge("br", "a network", &gateways);
        let mut index = None;
        // Again after somebody has turned it off.
        for _ in 0..2 {
            let made = ensure_bridge(&host.socket, &wanted).unwrap();
            assert_eq!(*index.get_or_insert(made), made);
            assert_eq!(read("ipv4/ip_forward"), "1\n");
            assert_eq!(read("ipv6/conf/all/forwarding"), "1\n");
            assert_eq!(read("ipv6/conf/uplink/accept_ra"), "2\n");
            assert_eq!(read("ipv6/conf/br/accept_ra"), "0\n");
            fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        }
    });
}

#[test]
fn attached_and_detached() {
    on_a_host(|host| {
        let index = host.bridge(1);
        let inside = host.container(index, 1, 2);
        let near = find_link(&host.socket, "v1-2").unwrap().unwrap();
        assert_eq!((near.master, near.is_up), (Some(index), true));
        let far = within(inside.namespace.as_fd(), || links(&Socket::open()?)).unwrap();
        let far: Vec<_> = far.iter().map(|link| (link.name.as_str(), link.is_up, link.index)).collect();
        assert_eq!(far, [("lo", true, 1), ("eth0", true, near.peer.unwrap())]);

        detach(&host.socket, "v1-2").unwrap();
        detach(&host.socket, "v1-2").unwrap();
        assert_eq!(find_link(&host.socket, "v1-2").unwrap(), None);
        let far = within(inside.namespace.as_fd(), || links(&Socket::open()?)).unwrap();
        assert_eq!(far.len(), 1, "{far:?}");
    });
}

#[test]
fn what_cannot_be_attached_leaves_nothing() {
    on_a_host(|host| {
        let index = host.bridge(1);
        let namespace = Namespace::new().unwrap();
        let unreachable = [Route { destination: None, gateway: "192.0.2.1".parse().unwrap(), metric: 100 }];
        let attachment = Attachment {
            bridge: index,
            host_name: "v",
            namespace: namespace.as_fd(),
            name: "eth0",
            mac: mac_of("v"),
            addresses: &[(address(1, 2).0, 24)],
            routes: &unreachable,
            mtu: None,
            quiet: false,
        };
        let error = attach(&host.socket, &attachment).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ENETUNREACH));
        assert_eq!(error.to_string(), "cannot add a route by 192.0.2.1: network is unreachable");
        assert_eq!(find_link(&host.socket, "v").unwrap(), None);

        let error = attach(&host.socket, &Attachment { bridge: 4711, ..attachment }).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
        assert_eq!(find_link(&host.socket, "v").unwrap(), None);
    });
}

/// Commands that start at the same moment on a host where nothing is there yet: each makes what it needs, or finds it in
/// whatever state the others have it.
#[test]
fn many_at_once_on_a_fresh_host() {
    const MANY: u8 = 16;
    for _ in 0..4 {
        on_a_host(|_| {
            let home = Namespace::own().unwrap();
            let together = Barrier::new(MANY.into());
            let start = |number: u8| {
                // Each its own thread, as a command is a process.
                let container = within(home.as_fd(), || {
                    let (socket, firewall) = (Socket::open()?, Firewall::open().unwrap());
                    let host = crate::place::Host { socket, firewall };
                    together.wait();
                    let bridge = host.bridge(1);
                    let container = host.container(bridge, 1, number);
                    let network = Network {
                        bridge: "br1",
                        masquerade: true,
                        internal: false,
                        isolation: Isolation::None,
                    };
                    let port = Port {
                        protocol: Protocol::Tcp,
                        host_address: None,
                        host_port: 8000 + u16::from(number),
                        container_address: container.v4,
                        container_port: 80,
                    };
                    firewall::add(&host.firewall, &[network], &[port], "").unwrap();
                    Ok(container)
                });
                container.unwrap()
            };
            let containers: Vec<_> = thread::scope(|scope| {
                let start = &start;
                let threads: Vec<_> =
                    (0..MANY).map(|number| scope.spawn(move || start(number + 2))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });

            for (container, number) in containers.iter().zip(2u16..) {
                let server = container.listen(container.v4, 80);
                finish(connect(([127, 0, 0, 1], 8000 + number)), &server);
            }
            let contents = firewall::list(&Firewall::open().unwrap()).unwrap();
            assert_eq!(contents.bridges, ["br1"]);
            assert_eq!(contents.ports.len(), usize::from(MANY));
        });
    }
}
