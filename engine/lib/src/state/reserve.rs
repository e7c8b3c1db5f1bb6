//! Taking addresses and ports: all that is wanted, or nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rusqlite::{Connection, OptionalExtension, params};

use super::holds::{Binding, Hold, Lease, address_of};
use super::{Database, Error};
use crate::network::{Network, subnet};

/// A lease that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Want<'a> {
    pub(crate) network: &'a Network,
    pub(crate) v4: Option<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
    pub(crate) mac: Option<String>,
    pub(crate) interface: String,
    /// Nobody else's.
    pub(crate) host_interface: String,
}

/// Why something cannot be held. `container` is who has it, alive or not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReserveError {
    /// The container itself has a hold, of an earlier run.
    #[error("container {container} holds addresses already")]
    Held { container: String },
    #[error("requested ip address {ip} is already allocated to container ID {container}")]
    Address { ip: IpAddr, container: String },
    #[error("port {port} is held by container {container}")]
    Port { binding: Binding, port: u16, container: String },
    #[error("no address of network {name} is free")]
    Full { name: String, network: String },
    /// The network, or the container, is gone.
    #[error("network or container was removed meanwhile")]
    Gone,
    #[error(transparent)]
    State(#[from] Error),
}

impl Database {
    /// Takes addresses and ports for a container, all of them or none.
    pub(crate) fn reserve(
        &self,
        container: &str,
        wants: &[Want<'_>],
        bindings: &[Binding],
    ) -> Result<Hold, ReserveError> {
        // What is refused must leave nothing, so the refusal goes out as an error of the transaction.
        let mut refusal = None;
        let done = self.write("reserve addresses and ports", |c| {
            reserve(c, container, wants, bindings).and_then(|result| {
                result.map_err(|refused| {
                    refusal = Some(refused);
                    rusqlite::Error::StatementChangedRows(0)
                })
            })
        });
        match (done, refusal) {
            (_, Some(refused)) => Err(refused),
            (done, None) => Ok(done?),
        }
    }

    /// One more lease for a container that has a hold.
    pub(crate) fn extend_hold(&self, hold: i64, want: &Want<'_>) -> Result<Lease, ReserveError> {
        self.write("reserve an address", |c| {
            let position: i64 = c.query_row(
                "SELECT coalesce(max(position) + 1, 0) FROM leases WHERE hold = ?1",
                [hold],
                |row| row.get(0),
            )?;
            lease(c, hold, position, want)
        })?
    }
}

type Refused<T> = rusqlite::Result<Result<T, ReserveError>>;

fn reserve(c: &Connection, container: &str, wants: &[Want<'_>], bindings: &[Binding]) -> Refused<Hold> {
    if c.prepare_cached("SELECT 1 FROM holds WHERE container = ?1")?.exists([container])? {
        return Ok(Err(ReserveError::Held { container: container.to_owned() }));
    }
    if c.prepare_cached("INSERT INTO holds (container) SELECT id FROM containers WHERE id = ?1")?
        .execute([container])?
        == 0
    {
        return Ok(Err(ReserveError::Gone));
    }
    let mut hold = Hold { id: c.last_insert_rowid(), leases: Vec::new(), bindings: bindings.to_vec() };
    for (position, want) in wants.iter().enumerate() {
        match lease(c, hold.id, position as i64, want)? {
            Ok(lease) => hold.leases.push(lease),
            Err(refused) => return Ok(Err(refused)),
        }
    }
    for binding in bindings {
        if let Some(refused) = bind(c, hold.id, binding)? {
            return Ok(Err(refused));
        }
    }
    Ok(Ok(hold))
}

fn lease(c: &Connection, hold: i64, position: i64, want: &Want<'_>) -> Refused<Lease> {
    let network = want.network;
    let last: Option<(Option<String>, Option<String>)> = c
        .prepare_cached("SELECT last4, last6 FROM networks WHERE id = ?1")?
        .query_row([&network.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((last4, last6)) = last else { return Ok(Err(ReserveError::Gone)) };
    let address = |asked: Option<IpAddr>, is_v4: bool, last: Option<String>| -> Refused<Option<IpAddr>> {
        let column = if is_v4 { "v4" } else { "v6" };
        let holder = |ip: IpAddr| -> rusqlite::Result<Option<String>> {
            c.prepare_cached(&format!(
                "SELECT container FROM leases JOIN holds ON holds.id = hold WHERE network = ?1 AND {column} = ?2"
            ))?
            .query_row([&network.id, &ip.to_string()], |row| row.get(0))
            .optional()
        };
        if let Some(ip) = asked {
            return Ok(match holder(ip)? {
                Some(container) => Err(ReserveError::Address { ip, container }),
                None => Ok(Some(ip)),
            });
        }
        let Some(subnet) = network.subnets.iter().find(|subnet| subnet.subnet.addr().is_ipv4() == is_v4)
        else {
            return Ok(Ok(None));
        };
        let last = last.and_then(|text| text.parse().ok());
        for ip in subnet::candidates(subnet, last) {
            if holder(ip)?.is_none() {
                c.prepare_cached(&format!("UPDATE networks SET last{} = ?2 WHERE id = ?1", &column[1..]))?
                    .execute([&network.id, &ip.to_string()])?;
                return Ok(Ok(Some(ip)));
            }
        }
        Ok(Err(ReserveError::Full { name: network.name.clone(), network: network.id.clone() }))
    };
    let v4 = match address(want.v4.map(IpAddr::V4), true, last4)? {
        Ok(ip) => ip,
        Err(refused) => return Ok(Err(refused)),
    };
    let v6 = match address(want.v6.map(IpAddr::V6), false, last6)? {
        Ok(ip) => ip,
        Err(refused) => return Ok(Err(refused)),
    };
    let lease = Lease {
        network: network.id.clone(),
        v4: v4.and_then(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }),
        v6: v6.and_then(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None }),
        mac: want.mac.clone().unwrap_or_else(|| subnet::mac(v4.or(v6))),
        interface: want.interface.clone(),
        host_interface: want.host_interface.clone(),
    };
    c.prepare_cached(
        "INSERT INTO leases (hold, position, network, v4, v6, mac, interface, host_interface)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        hold,
        position,
        lease.network,
        lease.v4.map(|ip| ip.to_string()),
        lease.v6.map(|ip| ip.to_string()),
        lease.mac,
        lease.interface,
        lease.host_interface,
    ])?;
    Ok(Ok(lease))
}

/// None: it is held now.
fn bind(c: &Connection, hold: i64, binding: &Binding) -> rusqlite::Result<Option<ReserveError>> {
    let mut overlapping = c.prepare_cached(
        "SELECT host_ip, first, container FROM bindings JOIN holds ON holds.id = hold
         WHERE protocol = ?1 AND last >= ?2 AND first <= ?3 AND hold <> ?4",
    )?;
    let rows = overlapping
        .query_map(params![binding.protocol.name(), binding.first, binding.last, hold], |row| {
            Ok((address_of(row, 0)?, row.get::<_, u16>(1)?, row.get(2)?))
        })?;
    for row in rows {
        let (host_ip, first, container): (Option<IpAddr>, u16, String) = row?;
        if meet(binding.host_ip, host_ip) {
            let port = first.max(binding.first);
            return Ok(Some(ReserveError::Port { binding: binding.clone(), port, container }));
        }
    }
    c.prepare_cached(
        "INSERT INTO bindings (hold, protocol, host_ip, first, last, container_port) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        hold,
        binding.protocol.name(),
        binding.host_ip.map(|ip| ip.to_string()),
        binding.first,
        binding.last,
        binding.container_port,
    ])?;
    Ok(None)
}

/// Whether two host addresses have one in common, as bind(2) sees it.
fn meet(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    match (one, other) {
        (None, _) | (_, None) => true,
        (Some(one), Some(other)) => {
            one.is_ipv4() == other.is_ipv4()
                && (one == other || one.is_unspecified() || other.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::Protocol;
    use crate::network::Subnet;
    use crate::state::containers::Record;

    fn database(containers: &[&str]) -> (tempfile::TempDir, Database, Network) {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("state.db")).unwrap();
        for name in containers {
            let record = Record { id: (*name).into(), name: (*name).into(), ..Record::default() };
            database.insert_container(&record).unwrap();
        }
        let subnet = "10.0.0.0/29".parse().unwrap();
        let network = Network {
            id: "beef".into(),
            name: "front".into(),
            bridge: "ketch1".into(),
            subnets: vec![Subnet { subnet, gateway: Some(subnet::gateway(subnet)), range: None }],
            ..Network::default()
        };
        database.insert_network(&network).unwrap();
        (dir, database, network)
    }

    fn want<'a>(network: &'a Network, ip: Option<&str>, end: &str) -> Want<'a> {
        Want {
            network,
            v4: ip.map(|ip| ip.parse().unwrap()),
            v6: None,
            mac: None,
            interface: "eth0".into(),
            host_interface: end.into(),
        }
    }

    fn binding(host_ip: Option<&str>, first: u16, last: u16) -> Binding {
        let host_ip = host_ip.map(|ip| ip.parse().unwrap());
        Binding { protocol: Protocol::Tcp, host_ip, first, last, container_port: 80 }
    }

    #[test]
    fn what_is_reserved_comes_back_whole_and_goes() {
        let (_dir, db, network) = database(&["a", "b"]);
        let ports = [binding(None, 8080, 8081), binding(Some("::1"), 9000, 9000)];
        let hold = db.reserve("a", &[want(&network, None, "v0")], &ports).unwrap();
        assert_eq!(hold.leases[0].v4, Some([10, 0, 0, 2].into()));
        assert_eq!(hold.leases[0].mac, "02:6b:0a:00:00:02");
        assert_eq!(db.hold_of("a").unwrap().as_ref(), Some(&hold));
        assert!(matches!(db.reserve("a", &[], &[]), Err(ReserveError::Held { .. })));
        assert!(!db.delete_network("beef").unwrap(), "a network in use stays");
        db.give_back(hold.id).unwrap();
        assert_eq!(db.hold_of("a").unwrap(), None);
        // The address that was just given back comes last.
        let hold = db.reserve("b", &[want(&network, None, "v1")], &ports).unwrap();
        assert_eq!(hold.leases[0].v4, Some([10, 0, 0, 3].into()));
        db.delete_container("b").unwrap();
        assert_eq!(db.leases_of("beef").unwrap(), []);
        assert!(db.delete_network("beef").unwrap());
        assert!(matches!(db.reserve("gone", &[], &[]), Err(ReserveError::Gone)));
    }

    #[test]
    fn a_refusal_leaves_nothing() {
        let (_dir, db, network) = database(&["a", "b"]);
        db.reserve("a", &[want(&network, Some("10.0.0.4"), "v0")], &[binding(Some("127.0.0.1"), 80, 89)])
            .unwrap();
        let refused = db.reserve("b", &[want(&network, Some("10.0.0.4"), "v1")], &[]).unwrap_err();
        assert!(matches!(refused, ReserveError::Address { container, .. } if container == "a"));
        for (host_ip, first, last, free) in [
            (None, 80, 80, false),
            (Some("0.0.0.0"), 89, 95, false),
            (Some("127.0.0.1"), 70, 80, false),
            (Some("127.0.0.2"), 80, 80, true),
            (Some("::1"), 80, 80, true),
            (None, 90, 90, true),
        ] {
            let wanted = [binding(host_ip, first, last)];
            match db.reserve("b", &[want(&network, None, "v1")], &wanted) {
                Ok(hold) => {
                    assert!(free, "{host_ip:?} {first}-{last}");
                    db.give_back(hold.id).unwrap();
                }
                Err(ReserveError::Port { container, .. }) => assert!(!free && container == "a"),
                Err(other) => panic!("{other}"),
            }
            assert_eq!(db.hold_of("b").unwrap(), None);
        }
        let udp = Binding { protocol: Protocol::Udp, ..binding(None, 80, 80) };
        db.reserve("b", &[], &[udp]).unwrap();
    }

    #[test]
    fn a_full_network_says_so() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let (_dir, db, network) = database(&names);
        for name in &names[..5] {
            db.reserve(name, &[want(&network, None, name)], &[]).unwrap();
        }
        let full = db.reserve("f", &[want(&network, None, "f")], &[]).unwrap_err();
        assert!(matches!(full, ReserveError::Full { name, .. } if name == "front"));
    }
}
