//! `container prune`: those that neither run nor are paused.

use super::filter::{Filters, Lookup};
use super::remove::{Force, RemoveError, remove};
use super::status::{Status, status};
use crate::Engine;
use crate::state;
use crate::state::containers::Record;

/// What became of one container.
#[derive(Debug)]
pub struct Pruned {
    pub id: String,
    pub result: Result<(), RemoveError>,
}

/// Removes those that `filters` admit, the youngest first: one joins only what is older. An infra container is its pod's.
/// Goes on past one that cannot be removed.
pub fn prune(engine: &Engine, filters: &Filters, lookup: &dyn Lookup) -> Result<Vec<Pruned>, state::Error> {
    let mut pruned = Vec::new();
    for record in engine.db.containers()?.into_iter().rev().filter(|record| !record.options.infra) {
        if !filters.admit_record(&record, lookup) || !is_at_rest(engine, &record) {
            continue;
        }
        match remove(engine, &record, Force::No, false) {
            // Started meanwhile.
            Err(RemoveError::Alive { .. }) => {}
            result => pruned.push(Pruned { id: record.id, result: result.map(drop) }),
        }
    }
    Ok(pruned)
}

fn is_at_rest(engine: &Engine, record: &Record) -> bool {
    matches!(
        status(&engine.paths, &record.id),
        Status::Created { .. } | Status::Initialized { .. } | Status::Exited(_)
    )
}
