//! `network rm`: the row, the bridge and its rules.

use crate::Engine;
use crate::container::options::Network as Mode;
use crate::container::remove::{Force, RemoveError, remove as remove_container};
use crate::state;
use crate::state::containers::Record;
use crate::state::networks::FindNetworkError;

use super::bridge::{self, BridgeError};
use super::netlink::{self, Socket};
use super::{DEFAULT, Network, SetupError, reserve};

/// podman's words.
#[derive(Debug, thiserror::Error)]
pub enum RemoveNetworkError {
    #[error(transparent)]
    Find(#[from] FindNetworkError),
    #[error("default network {DEFAULT} cannot be removed")]
    Default,
    #[error(
        "{0:?} has associated containers with it. Use -f to forcibly delete containers and pods: network is being used"
    )]
    InUse(String),
    #[error(transparent)]
    Container(Box<RemoveError>),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    #[error(transparent)]
    Kernel(#[from] netlink::Error),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Removes a network by name or id; with `force` its containers first. Gives its name.
pub fn remove(engine: &Engine, name: &str, force: Option<Force>) -> Result<String, RemoveNetworkError> {
    if name == DEFAULT {
        return Err(RemoveNetworkError::Default);
    }
    let network = engine.db.find_network(name)?;
    if network.name == DEFAULT {
        return Err(RemoveNetworkError::Default);
    }
    for record in users(engine, &network)? {
        let Some(force) = force else { return Err(RemoveNetworkError::InUse(network.name)) };
        remove_container(engine, &record, force, true)
            .map_err(|error| RemoveNetworkError::Container(Box::new(error)))?;
    }
    take_down(engine, &network)?;
    if !engine.db.delete_network(&network.id)? {
        return Err(RemoveNetworkError::InUse(network.name));
    }
    Ok(network.name)
}

/// Takes the bridge and the rules away. The row stays, by which what is killed half-way is found again.
pub(super) fn take_down(engine: &Engine, network: &Network) -> Result<(), RemoveNetworkError> {
    // No container of now has it: what still has an address of it is dead, or about to fail.
    for (container, _) in engine.db.leases_of(&network.id)? {
        if !reserve::take_from_dead(engine, &container)? {
            return Err(RemoveNetworkError::InUse(network.name.clone()));
        }
    }
    Ok(bridge::remove(&Socket::open()?, network)?)
}

/// The containers that are to be on it when they run.
pub(super) fn users(engine: &Engine, network: &Network) -> Result<Vec<Record>, state::Error> {
    let mut records = engine.db.containers()?;
    records.retain(|record| match &record.options.network {
        Mode::Bridge(endpoints) => endpoints.iter().any(|endpoint| endpoint.network == network.name),
        _ => false,
    });
    Ok(records)
}
