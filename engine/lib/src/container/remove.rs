//! `rm`: nothing of the container stays.

use ketch_monitor::lock;
use ketch_runtime::container::delete::{self, DeleteError};

use super::FileError;
use super::status::{Status, status};
use super::stop::{self, SignalError, Stopped};
use super::turn::Turn;
use crate::Engine;
use crate::events::{Action, Event};
use crate::network::{self, SetupError};
use crate::state::{self, containers::Record};
use crate::tree::{self, TreeError};
use crate::volume;

#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// podman's words.
    #[error(
        "cannot remove container {id} as it is {status} - running or paused containers cannot be removed without force: \
         container state improper"
    )]
    Alive { id: String, status: &'static str },
    #[error(
        "container {id} is the infra container of pod {pod} and cannot be removed without removing the pod"
    )]
    Infra { id: String, pod: String },
    #[error(
        "container {id} has dependent containers which must be removed before it: {}: container already exists",
        .dependents.join(", ")
    )]
    Dependents { id: String, dependents: Vec<String> },
    #[error(transparent)]
    Stop(#[from] SignalError),
    #[error(transparent)]
    Runtime(#[from] DeleteError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Network(#[from] SetupError),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Volume(#[from] volume::RemoveError),
}

/// How a removal treats a container that is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Refuse.
    No,
    /// Stop it first: as `stop` with this many seconds; None: the container's own.
    Stop { seconds: Option<i64> },
}

/// Removes the container, with its anonymous volumes if `volumes`. One that is gone already, or goes meanwhile, is no
/// error.
///
/// Says how it was stopped, when it had to be.
///
/// An infra container goes with its pod only, and one whose namespaces others join goes after them.
pub fn remove(engine: &Engine, record: &Record, force: Force, volumes: bool) -> Result<Stopped, RemoveError> {
    match &record.options.pod {
        Some(pod) if record.options.infra => {
            Err(RemoveError::Infra { id: record.id.clone(), pod: pod.clone() })
        }
        _ => remove_any(engine, record, force, volumes),
    }
}

/// The same for an infra container as well.
pub(crate) fn remove_any(
    engine: &Engine,
    record: &Record,
    force: Force,
    volumes: bool,
) -> Result<Stopped, RemoveError> {
    let mut stopped = Stopped::NotRunning;
    refuse_used(engine, record)?;
    loop {
        let status = status(&engine.paths, &record.id);
        if status.is_alive() {
            match force {
                Force::Stop { seconds } => {
                    stop::thaw(engine, record)?;
                    let how = stop::stop(engine, record, seconds)?;
                    if how != Stopped::NotRunning {
                        stopped = how;
                    }
                }
                // It has done nothing yet.
                Force::No if matches!(status, Status::Initialized { .. }) => {
                    stop::stop(engine, record, Some(0))?;
                }
                // About to end by itself: its monitor is waited for below.
                Force::No if matches!(status, Status::Stopping { .. }) => {
                    let run_dir = engine.paths.container_run(&record.id);
                    lock::wait_free(&run_dir).map_err(FileError::at("wait for", &run_dir))?;
                }
                Force::No => return Err(RemoveError::Alive { id: record.id.clone(), status: status.name() }),
            }
        }
        let turn = Turn::take(&engine.paths, &record.id)?;
        if !engine.db.has_container(&record.id)? {
            return Ok(stopped);
        }
        let status = super::status(&engine.paths, &record.id);
        if status.is_alive() {
            // Started again meanwhile.
            continue;
        }
        let code = status.exit().map(|exit| exit.code);
        let run_dir = engine.paths.container_run(&record.id);
        let lock = if run_dir.exists() {
            lock::try_take(&run_dir).map_err(FileError::at("lock", &run_dir))?
        } else {
            // Nobody can make it without the turn.
            purge(engine, record, volumes, code)?;
            return Ok(stopped);
        };
        if lock.is_some() {
            purge(engine, record, volumes, code)?;
            return Ok(stopped);
        }
        drop(turn);
        lock::wait_free(&run_dir).map_err(FileError::at("wait for", &run_dir))?;
    }
}

/// Removes all of it, the row last: what is killed half-way can be removed again. The caller has the turn, and there is
/// no other monitor. Goes on past what is gone already.
///
/// The runtime finds the cgroups as well, also those of a monitor that was killed between making them and writing the
/// state: it notes their place first. `code` is what it ended with, if it ever ran.
pub(super) fn purge(
    engine: &Engine,
    record: &Record,
    volumes: bool,
    code: Option<i32>,
) -> Result<(), RemoveError> {
    refuse_used(engine, record)?;
    delete::delete(&engine.paths.runtime(), &record.id, true)?;
    network::release(engine, &record.id)?;
    let dir = engine.paths.container(&record.id);
    if let Err(error) = tree::remove(&dir) {
        // A mount of the user's is in the way, if anything is.
        if !super::mount::release(&dir) {
            return Err(error.into());
        }
        tree::remove(&dir)?;
    }
    tree::remove(&engine.paths.container_run(&record.id))?;
    let anonymous = if volumes { engine.db.anonymous_volumes_of(&record.id)? } else { Vec::new() };
    if engine.db.delete_container(&record.id)? {
        engine.event(Event { container_exit_code: code, ..Event::of_container(record, Action::Remove) });
    }
    // What is killed here leaves volumes that nobody uses: `volume prune` finds them.
    for name in anonymous {
        volume::remove_unused(engine, &name)?;
    }
    Ok(())
}

/// One that others join stays: they could not be started again.
fn refuse_used(engine: &Engine, record: &Record) -> Result<(), RemoveError> {
    match engine.db.dependents(&record.id)? {
        dependents if dependents.is_empty() => Ok(()),
        dependents => Err(RemoveError::Dependents { id: record.id.clone(), dependents }),
    }
}
