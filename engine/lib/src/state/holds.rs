//! What containers hold of networks and of the host: addresses and ports. How they get them: see [`super::reserve`].
//!
//! A container has one hold at a time, from its start to its end. Its number is never given again, so that whoever
//! looked at a hold and then takes it away takes that one and no later one of the same container.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Database, Error};
use crate::container::options::Protocol;

/// Run by [`Database::open`]. An address is text; two leases of one network never have the same.
pub(crate) const SCHEMA: &str = "
CREATE TABLE holds (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    container TEXT NOT NULL UNIQUE REFERENCES containers (id) ON DELETE CASCADE
) STRICT;
CREATE TABLE leases (
    hold           INTEGER NOT NULL REFERENCES holds (id) ON DELETE CASCADE,
    position       INTEGER NOT NULL,
    network        TEXT NOT NULL REFERENCES networks (id),
    v4             TEXT,
    v6             TEXT,
    mac            TEXT NOT NULL,
    interface      TEXT NOT NULL,
    host_interface TEXT NOT NULL UNIQUE,
    PRIMARY KEY (hold, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX leases_v4 ON leases (network, v4);
CREATE UNIQUE INDEX leases_v6 ON leases (network, v6);
CREATE TABLE bindings (
    hold           INTEGER NOT NULL REFERENCES holds (id) ON DELETE CASCADE,
    protocol       TEXT NOT NULL,
    host_ip        TEXT,
    first          INTEGER NOT NULL,
    last           INTEGER NOT NULL,
    container_port INTEGER NOT NULL
) STRICT;
CREATE INDEX bindings_hold ON bindings (hold);
CREATE INDEX bindings_last ON bindings (protocol, last);
";

/// What a container holds while it lives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hold {
    pub id: i64,
    /// In the order of the container's endpoints.
    pub leases: Vec<Lease>,
    pub bindings: Vec<Binding>,
}

/// One interface's place in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Id of the network.
    pub network: String,
    pub v4: Option<Ipv4Addr>,
    pub v6: Option<Ipv6Addr>,
    /// `02:6b:0a:59:00:02`
    pub mac: String,
    /// The name inside, and that of its other end.
    pub interface: String,
    pub host_interface: String,
}

/// A port of the host, or several in a row, and the first of as many inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub protocol: Protocol,
    /// None: all addresses.
    pub host_ip: Option<IpAddr>,
    pub first: u16,
    pub last: u16,
    pub container_port: u16,
}

impl Database {
    /// What a container holds, if anything.
    pub fn hold_of(&self, container: &str) -> Result<Option<Hold>, Error> {
        self.read("look up a container's addresses", |c| {
            let id: Option<i64> = c
                .prepare_cached("SELECT id FROM holds WHERE container = ?1")?
                .query_row([container], |row| row.get(0))
                .optional()?;
            id.map(|id| hold(c, id)).transpose()
        })
    }

    /// All leases of a network, each with its container's id.
    pub fn leases_of(&self, network: &str) -> Result<Vec<(String, Lease)>, Error> {
        self.read("list a network's addresses", |c| {
            c.prepare(&format!(
                "SELECT {LEASE}, container FROM leases JOIN holds ON holds.id = hold WHERE network = ?1 ORDER BY hold"
            ))?
            .query_map([network], |row| Ok((row.get(6)?, lease_of(row)?)))?
            .collect()
        })
    }

    /// Gives all of a hold back. What it means to the kernel is undone before.
    pub(crate) fn give_back(&self, hold: i64) -> Result<(), Error> {
        self.write("give addresses and ports back", |c| {
            c.execute("DELETE FROM holds WHERE id = ?1", [hold]).map(drop)
        })
    }

    pub(crate) fn give_lease_back(&self, hold: i64, host_interface: &str) -> Result<(), Error> {
        self.write("give an address back", |c| {
            c.execute(
                "DELETE FROM leases WHERE hold = ?1 AND host_interface = ?2",
                params![hold, host_interface],
            )
            .map(drop)
        })
    }
}

const LEASE: &str = "network, v4, v6, mac, interface, host_interface";

fn lease_of(row: &Row<'_>) -> rusqlite::Result<Lease> {
    Ok(Lease {
        network: row.get(0)?,
        v4: address_of(row, 1)?,
        v6: address_of(row, 2)?,
        mac: row.get(3)?,
        interface: row.get(4)?,
        host_interface: row.get(5)?,
    })
}

pub(super) fn address_of<A: std::str::FromStr<Err = std::net::AddrParseError>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<A>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse()).transpose().map_err(|error: std::net::AddrParseError| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

fn hold(c: &Connection, id: i64) -> rusqlite::Result<Hold> {
    let leases = c
        .prepare_cached(&format!("SELECT {LEASE} FROM leases WHERE hold = ?1 ORDER BY position"))?
        .query_map([id], lease_of)?
        .collect::<rusqlite::Result<_>>()?;
    let bindings = c
        .prepare_cached(
            "SELECT protocol, host_ip, first, last, container_port FROM bindings WHERE hold = ?1 ORDER BY rowid",
        )?
        .query_map([id], |row| {
            let protocol: String = row.get(0)?;
            Ok(Binding {
                protocol: if protocol == Protocol::Udp.name() { Protocol::Udp } else { Protocol::Tcp },
                host_ip: address_of(row, 1)?,
                first: row.get(2)?,
                last: row.get(3)?,
                container_port: row.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Hold { id, leases, bindings })
}
