//! Networks. What containers hold of them: see [`super::holds`].

use rusqlite::{OptionalExtension, Row, params};

use super::lookup::{Found, Table, find};
use super::{Database, Error, json};
use crate::network::Network;

/// Run by [`Database::open`].
pub(crate) const SCHEMA: &str = "
CREATE TABLE networks (
    id     TEXT NOT NULL PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    bridge TEXT NOT NULL UNIQUE,
    config TEXT NOT NULL,
    last4  TEXT,
    last6  TEXT
) STRICT, WITHOUT ROWID;
";

const TABLE: Table<Network> = Table { name: "networks", columns: "config", read: network };

/// Why a network cannot be added. podman's words.
#[derive(Debug, thiserror::Error)]
pub enum InsertNetworkError {
    #[error("network name {0} already used: network already exists")]
    NameInUse(String),
    #[error("bridge name {0} already in use")]
    BridgeInUse(String),
    #[error(transparent)]
    State(#[from] Error),
}

/// Why a name or id leads to no network. podman's words.
#[derive(Debug, thiserror::Error)]
pub enum FindNetworkError {
    #[error("unable to find network with name or ID {0}: network not found")]
    NotFound(String),
    #[error("more than one result for network ID {0}")]
    Ambiguous(String),
    #[error(transparent)]
    State(#[from] Error),
}

impl Database {
    pub(crate) fn insert_network(&self, network: &Network) -> Result<(), InsertNetworkError> {
        let refused = self.write("add a network", |c| {
            let taken = |column: &str, value: &str| {
                c.prepare(&format!("SELECT 1 FROM networks WHERE {column} = ?1"))?.exists([value])
            };
            if taken("name", &network.name)? {
                return Ok(Some(InsertNetworkError::NameInUse(network.name.clone())));
            }
            if taken("bridge", &network.bridge)? {
                return Ok(Some(InsertNetworkError::BridgeInUse(network.bridge.clone())));
            }
            c.execute(
                "INSERT INTO networks (id, name, bridge, config) VALUES (?1, ?2, ?3, ?4)",
                params![network.id, network.name, network.bridge, json::write(network)?],
            )?;
            Ok(None)
        })?;
        refused.map_or(Ok(()), Err)
    }

    /// Replaces what is kept about a network.
    pub(crate) fn update_network(&self, network: &Network) -> Result<(), Error> {
        self.write("change a network", |c| {
            c.execute(
                "UPDATE networks SET bridge = ?2, config = ?3 WHERE id = ?1",
                params![network.id, network.bridge, json::write(network)?],
            )
            .map(drop)
        })
    }

    /// By name, full id, or the beginning of an id that only one has.
    pub fn find_network(&self, text: &str) -> Result<Network, FindNetworkError> {
        match self.read("look up a network", |c| find(c, &TABLE, text))? {
            Found::Nothing => Err(FindNetworkError::NotFound(text.to_owned())),
            Found::One(network) => Ok(network),
            Found::Several => Err(FindNetworkError::Ambiguous(text.to_owned())),
        }
    }

    /// By full id.
    pub(crate) fn network(&self, id: &str) -> Result<Option<Network>, Error> {
        self.read("look up a network", |c| {
            c.prepare_cached("SELECT config FROM networks WHERE id = ?1")?.query_row([id], network).optional()
        })
    }

    /// All, by name.
    pub fn networks(&self) -> Result<Vec<Network>, Error> {
        self.read("list networks", |c| {
            c.prepare("SELECT config FROM networks ORDER BY name")?.query_map([], network)?.collect()
        })
    }

    /// Forgets a network; false when a container still has an address of it.
    pub(crate) fn delete_network(&self, id: &str) -> Result<bool, Error> {
        self.write("forget a network", |c| {
            if c.prepare("SELECT 1 FROM leases WHERE network = ?1")?.exists([id])? {
                return Ok(false);
            }
            c.execute("DELETE FROM networks WHERE id = ?1", [id]).map(|_| true)
        })
    }
}

fn network(row: &Row<'_>) -> rusqlite::Result<Network> {
    json::read(row, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn networks_by_name_and_id() {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("state.db")).unwrap();
        let network = Network {
            id: "beef".into(),
            name: "front".into(),
            bridge: "ketch1".into(),
            ..Network::default()
        };
        db.insert_network(&network).unwrap();
        for text in ["front", "beef", "be"] {
            assert_eq!(db.find_network(text).unwrap(), network, "{text}");
        }
        assert!(matches!(db.find_network("bee f"), Err(FindNetworkError::NotFound(_))));
        let other = Network { id: "f00d".into(), bridge: "ketch2".into(), ..network.clone() };
        assert!(matches!(db.insert_network(&other), Err(InsertNetworkError::NameInUse(_))));
        let other = Network { id: "f00d".into(), name: "back".into(), ..network };
        assert!(matches!(db.insert_network(&other), Err(InsertNetworkError::BridgeInUse(_))));
    }
}
