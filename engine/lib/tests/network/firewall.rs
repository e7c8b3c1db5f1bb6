//! The table as a whole.

use ketch_engine::network::firewall::{self, Contents, Isolation, Network, Port, Protocol};

use crate::place::{address, on_a_host};

fn network(bridge: &str) -> Network<'_> {
    Network { bridge, masquerade: true, internal: false, isolation: Isolation::None }
}

fn port(number: u16) -> Port {
    Port {
        protocol: Protocol::Sctp,
        host_address: None,
        host_port: number,
        container_address: address(1, 2).1,
        container_port: number,
    }
}

#[test]
fn nothing_is_there_before_the_first_network_and_after_the_last() {
    on_a_host(|host| {
        let firewall = &host.firewall;
        assert_eq!(firewall::list(firewall).unwrap(), Contents::default());
        firewall::remove_ports(firewall, &[port(1)]).unwrap();
        firewall::remove_network(firewall, "br1").unwrap();
        assert!(firewall::remove_if_empty(firewall).unwrap());

        firewall::add(firewall, &[network("br1")], &[port(1)], "one").unwrap();
        firewall::remove_network(firewall, "br1").unwrap();
        assert!(!firewall::remove_if_empty(firewall).unwrap());
        firewall::remove_ports(firewall, &[port(1)]).unwrap();
        assert!(firewall::remove_if_empty(firewall).unwrap());
        assert!(firewall::remove_if_empty(firewall).unwrap());
    });
}

#[test]
fn what_another_engine_has_put_in_stays() {
    on_a_host(|host| {
        let firewall = &host.firewall;
        firewall::add(firewall, &[network("br1")], &[port(1)], "one").unwrap();
        firewall::add(firewall, &[network("br2")], &[port(2)], "two").unwrap();
        let both = firewall::list(firewall).unwrap();
        assert_eq!(both.bridges, ["br1", "br2"]);
        assert_eq!(both.ports, [(port(1), "one".to_owned()), (port(2), "two".to_owned())]);

        firewall::remove_ports(firewall, &[port(1)]).unwrap();
        firewall::remove_network(firewall, "br1").unwrap();
        let other = firewall::list(firewall).unwrap();
        assert_eq!(other.bridges, ["br2"]);
        assert_eq!(other.ports, [(port(2), "two".to_owned())]);
    });
}
