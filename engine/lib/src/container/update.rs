//! `update`: a container is changed, and if it runs, what can be changed while it does: its limits, its restart policy and its
//! health check. The rest is of its next start.

use std::io;

use ketch_monitor::attach;
use ketch_runtime::container::update::{self as runtime, UpdateError as RuntimeError};
use ketch_runtime::spec::LinuxResources;

use super::FileError;
use super::health::{self, Results};
use super::options::{Options, RestartPolicy};
use super::policy;
use super::status::status;
use super::turn::Turn;
use crate::Engine;
use crate::events::{Action, Event};
use crate::spec::{self, SpecError};
use crate::state;
use crate::state::containers::{FindError, Record};

#[derive(Debug, thiserror::Error)]
pub enum UpdateError<E: std::error::Error + 'static> {
    #[error(transparent)]
    Find(#[from] FindError),
    /// podman's words.
    #[error("the --rm option conflicts with --restart, when the restartPolicy is not \"\" and \"no\"")]
    Removed,
    /// What the caller finds wrong with it.
    #[error(transparent)]
    Change(E),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("cannot change the limits of container {id}")]
    Limits { id: String, source: RuntimeError },
    #[error("cannot change the health check of container {id}, whose monitor does not answer")]
    Health { id: String, source: io::Error },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Has `change` change what the container was asked to be, and notes that; a running one's cgroup and monitor are told before.
/// When the kernel refuses, nothing is changed.
pub fn update<E: std::error::Error + 'static>(
    engine: &Engine,
    id: &str,
    change: impl FnOnce(&mut Options) -> Result<(), E>,
) -> Result<Record, UpdateError<E>> {
    let _turn = Turn::take(&engine.paths, id)?;
    let old = engine.db.find_container(id)?;
    let mut new = old.clone();
    change(&mut new.options).map_err(UpdateError::Change)?;
    if new.options.remove && new.options.restart != RestartPolicy::No {
        return Err(UpdateError::Removed);
    }
    let devices = spec::check_limits(&new.options)?;
    let alive = status(&engine.paths, id).is_alive();
    let changes = spec::limit_changes(&old.options.limits, &new.options.limits, &devices);
    if alive && changes != LinuxResources::default() {
        runtime::update(&engine.paths.runtime(), id, &changes)
            .map_err(|source| UpdateError::Limits { id: id.to_owned(), source })?;
    }
    let dir = engine.paths.container(id);
    if alive && old.options.restart != new.options.restart {
        policy::note_change(&dir)?;
    }
    engine.db.set_options(id, &new.options)?;
    if old.options.health != new.options.health && dir.exists() {
        // What another check has said says nothing of this one.
        Results::forget(&dir)?;
        if alive {
            let timer = health::timer(engine, &new);
            attach::set_health(&engine.paths.container_run(id), timer.as_ref())
                .map_err(|source| UpdateError::Health { id: id.to_owned(), source })?;
        }
    }
    engine.event(Event::of_container(&new, Action::Update));
    Ok(new)
}
