//! `start`: lets a created container's init go on to its program.

use std::path::Path;

use ketch_sys::Errno;

use super::delete::delete;
use super::kill;
use super::state::{FIFO, State, StateError, Status};
use crate::causes;
use crate::hooks::{self, About, Stage};
use crate::init::gate;
use crate::step::StepError;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cannot start container {id:?}: it is {status}")]
    NotCreated { id: String, status: Status },
    #[error("cannot start container {id:?}: another start is at it")]
    Busy { id: String },
    #[error("cannot start container {id:?}: its init has ended")]
    Ended { id: String },
    #[error(transparent)]
    Step(#[from] StepError),
    /// The container was to be destroyed because of `error`.
    #[error("{error}; and what was made could not all be undone: {}", .problems.join("; "))]
    Left { error: StepError, problems: Vec<String> },
}

/// Starts the program of a container that `create` has made; returns once it executes and the poststart hooks have run. If one
/// of these fails nothing is left of the container: runtime-spec, lifecycle, 9.
pub fn start(root: &Path, id: &str) -> Result<(), StartError> {
    let state = State::load(root, id)?;
    let not_created = |status| StartError::NotCreated { id: id.to_owned(), status };
    match state.status(root) {
        Status::Created => {}
        status => return Err(not_created(status)),
    }
    match gate::open(&root.join(id).join(FIFO)) {
        Err(StepError { errno: Errno::ENOENT, .. }) => return Err(not_created(Status::Running)),
        Err(StepError { errno: Errno::EAGAIN, .. }) => return Err(StartError::Busy { id: id.to_owned() }),
        Err(StepError { errno: Errno::ENXIO, .. }) => return Err(StartError::Ended { id: id.to_owned() }),
        result => result?,
    }
    poststart(&state).map_err(|error| destroy(root, id, error))
}

fn destroy(root: &Path, id: &str, error: StepError) -> StartError {
    let problems = match delete(root, id, true) {
        Ok(deleted) => deleted.warnings,
        Err(failed) => vec![causes::line(&failed)],
    };
    if problems.is_empty() { error.into() } else { StartError::Left { error, problems } }
}

/// Runs the poststart hooks of a container that runs; if one fails the container is killed.
pub(super) fn poststart(state: &State) -> Result<(), StepError> {
    let about = About::new(state, Stage::Poststart);
    hooks::run(state.config.hooks.as_ref(), Stage::Poststart, &about).inspect_err(|_| {
        // The hook's error is the one to tell; a container that has ended by itself is as good.
        let _ = kill::kill(state, kill::SIGKILL, false);
    })
}
