use std::net::IpAddr;
use std::thread;

use nix::sched::{CloneFlags, unshare};

use super::element::{Element, of_network, of_port, to_port};
use super::table::{self, Found};
use super::transaction::{Firewall, Transaction};
use super::{Contents, Isolation, Network, Port, Protocol, add, list};

fn port(host_address: Option<&str>, container_address: &str) -> Port {
    Port {
        protocol: Protocol::Udp,
        host_address: host_address.map(|address| address.parse().unwrap()),
        host_port: 0x1f90,
        container_address: container_address.parse().unwrap(),
        container_port: 80,
    }
}

#[test]
fn ports_and_their_elements() {
    let v6 = |text: &str| match text.parse().unwrap() {
        IpAddr::V6(address) => address.octets().to_vec(),
        IpAddr::V4(_) => unreachable!(),
    };
    let udp = [17, 0, 0, 0];
    let from = [0x1f, 0x90, 0, 0];
    let to = [0, 80, 0, 0];
    let (host4, inside4) = ([192, 0, 2, 1], [10, 88, 0, 2]);
    let cases = [
        (
            port(None, "10.88.0.2"),
            "ports4",
            [udp.as_slice(), from.as_slice()].concat(),
            [inside4.as_slice(), to.as_slice()].concat(),
        ),
        (
            port(Some("192.0.2.1"), "10.88.0.2"),
            "hostports4",
            [udp.as_slice(), host4.as_slice(), from.as_slice()].concat(),
            [inside4.as_slice(), to.as_slice()].concat(),
        ),
        (
            port(None, "fd00::2"),
            "ports6",
            [udp.as_slice(), from.as_slice()].concat(),
            [v6("fd00::2").as_slice(), to.as_slice()].concat(),
        ),
        (
            port(Some("2001:db8::1"), "fd00::2"),
            "hostports6",
            [udp.as_slice(), v6("2001:db8::1").as_slice(), from.as_slice()].concat(),
            [v6("fd00::2").as_slice(), to.as_slice()].concat(),
        ),
    ];
    for (port, set, key, data) in cases {
        let element = of_port(&port).unwrap();
        assert_eq!(element, Element { set, key, data });
        assert_eq!(to_port(&element), Some(port));
    }
    assert_eq!(of_port(&port(Some("192.0.2.1"), "fd00::2")), None);
    assert_eq!(of_port(&port(Some("2001:db8::1"), "10.88.0.2")), None);
}

#[test]
fn sets_of_a_network() {
    use Isolation::{Isolated, None, Strict};
    let cases: [(bool, bool, Isolation, &[&str]); 5] = [
        (true, false, None, &["bridges", "hairpins", "masqueraded"]),
        (false, false, None, &["bridges", "hairpins"]),
        (false, true, None, &["bridges", "hairpins", "internal"]),
        (true, false, Isolated, &["bridges", "hairpins", "masqueraded", "isolated"]),
        (true, false, Strict, &["bridges", "hairpins", "masqueraded", "isolated", "strict"]),
    ];
    for (masquerade, internal, isolation, sets) in cases {
        let elements = of_network(&Network { bridge: "br1", masquerade, internal, isolation });
        let found: Vec<&str> = elements.iter().map(|element| element.set).collect();
        assert_eq!(found, sets);
    }
}

#[test]
fn a_table_of_another_version_is_replaced() {
    let replace = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run as root");
        let firewall = Firewall::open().unwrap();
        let mut transaction = Transaction::begin(None);
        table::make_empty(&mut transaction, "ketch 0");
        assert!(transaction.commit(&firewall).unwrap().is_empty());
        assert_eq!(table::find(&firewall).unwrap().0, Found::Other);
        assert_eq!(list(&firewall).unwrap(), Contents::default());

        let published = port(None, "10.88.0.2");
        add(&firewall, &[], std::slice::from_ref(&published), "me").unwrap();
        assert_eq!(table::find(&firewall).unwrap().0, Found::Current);
        assert_eq!(list(&firewall).unwrap().ports, [(published, "me".to_owned())]);
    };
    thread::spawn(replace).join().unwrap();
}
