//! `delete`: cgroups, runtime state and poststop hooks of a container that has ended.

use std::path::Path;

use super::state::{State, StateError};

#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cannot delete container {id:?} that is not stopped: {status:?}")]
    NotStopped { id: String, status: super::state::Status },
    #[error("container {id:?} was only partly deleted: {}", .problems.join("; "))]
    Partly { id: String, problems: Vec<String> },
}

/// Removes all that is left of the container. With `force` it is killed first, and a missing one is no error.
pub fn delete(_root: &Path, _id: &str, _force: bool) -> Result<(), DeleteError> {
    todo!()
}

/// The same for a container whose init the caller has reaped already (`run`, the monitor).
pub fn delete_stopped(_root: &Path, _state: &State) -> Result<(), DeleteError> {
    todo!()
}
