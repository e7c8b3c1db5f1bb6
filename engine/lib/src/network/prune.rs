//! `network prune`: what no container is on goes.

use crate::Engine;

use super::filter::{Filter, admit};
use super::remove::{RemoveNetworkError, remove, take_down, users};
use super::{DEFAULT, Network};

/// The networks that would go, by name. The default one stays, as with podman.
pub fn candidates(engine: &Engine, filters: &[Filter]) -> Result<Vec<String>, RemoveNetworkError> {
    let mut names = Vec::new();
    for network in engine.db.networks()? {
        if network.name != DEFAULT && admit(filters, &network) && users(engine, &network)?.is_empty() {
            names.push(network.name);
        }
    }
    Ok(names)
}

/// Removes them, and tells of each what came of it; then the default network's bridge, which its next container makes anew.
pub fn prune(
    engine: &Engine,
    names: &[String],
    mut told: impl FnMut(&str, Result<(), RemoveNetworkError>),
) -> Result<(), RemoveNetworkError> {
    for name in names {
        match remove(engine, name, None) {
            // Somebody uses it since, or has removed it.
            Err(RemoveNetworkError::InUse(_) | RemoveNetworkError::Find(_)) => {}
            other => told(name, other.map(drop)),
        }
    }
    match engine.db.networks()?.into_iter().find(|network: &Network| network.name == DEFAULT) {
        Some(network) if users(engine, &network)?.is_empty() => match take_down(engine, &network) {
            Err(RemoveNetworkError::InUse(_)) => Ok(()),
            done => done,
        },
        _ => Ok(()),
    }
}
