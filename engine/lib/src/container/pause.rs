//! `pause` and `unpause`: the freezer of the container's cgroup.

use ketch_cgroups::Cgroup;

use super::FileError;
use super::status::{Status, status};
use super::stop::{SignalError, running};
use super::turn::Turn;
use crate::Engine;
use crate::events::{Action, Event};
use crate::state::containers::Record;

/// podman's words.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    #[error("{id:?} is already paused: container state improper")]
    Paused { id: String },
    #[error("{status:?} is not running, can't pause: container state improper")]
    NotRunning { status: &'static str },
    #[error("{id:?} is not paused, can't unpause: container state improper")]
    NotPaused { id: String },
    #[error("cannot freeze container {id}: it has no cgroup of its own")]
    NoCgroup { id: String },
    #[error("cannot freeze or thaw container {id}")]
    Freeze { id: String, source: ketch_cgroups::Error },
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Stops all of its processes where they are; returns when that has happened.
pub fn pause(engine: &Engine, record: &Record) -> Result<(), PauseError> {
    let _turn = Turn::take(&engine.paths, &record.id)?;
    match status(&engine.paths, &record.id) {
        Status::Running { .. } => {}
        Status::Paused { .. } => return Err(PauseError::Paused { id: record.id.clone() }),
        status => return Err(PauseError::NotRunning { status: status.name() }),
    }
    freeze(engine, record, true)?;
    engine.event(Event::of_container(record, Action::Pause));
    Ok(())
}

/// Lets them go on.
pub fn unpause(engine: &Engine, record: &Record) -> Result<(), PauseError> {
    let _turn = Turn::take(&engine.paths, &record.id)?;
    if !matches!(status(&engine.paths, &record.id), Status::Paused { .. }) {
        return Err(PauseError::NotPaused { id: record.id.clone() });
    }
    freeze(engine, record, false)?;
    engine.event(Event::of_container(record, Action::Unpause));
    Ok(())
}

fn freeze(engine: &Engine, record: &Record, frozen: bool) -> Result<(), PauseError> {
    // It may have ended since.
    let Some((state, _init)) = running(engine, record)? else {
        return Err(PauseError::NotRunning { status: "exited" });
    };
    if state.cgroup.paths.is_empty() {
        return Err(PauseError::NoCgroup { id: record.id.clone() });
    }
    Cgroup::open(state.cgroup)
        .freeze(frozen)
        .map_err(|source| PauseError::Freeze { id: record.id.clone(), source })
}
