//! `rename`: another name for a container, running or not.

use std::fs;
use std::path::Path;

use super::{FileError, name};
use crate::Engine;
use crate::events::{Action, Event};
use crate::state;
use crate::state::containers::{Record, Renamed};

/// In a container's directory: the name that `rename` gave it.
const NAME: &str = "name";

/// podman's words, but for a name in use.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    #[error("names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument")]
    Name,
    #[error(
        "renaming container {id}: the container name {name:?} is already in use by {holder}: container already exists"
    )]
    InUse { id: String, name: String, holder: String },
    #[error("no container with name or ID {0:?} found: no such container")]
    Gone(String),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Either it has the new name afterwards, or the old one still.
pub fn rename(engine: &Engine, record: &Record, to: &str) -> Result<(), RenameError> {
    if !name::is_valid(to) {
        return Err(RenameError::Name);
    }
    match engine.db.rename_container(&record.id, to)? {
        Renamed::Done => {}
        Renamed::Gone => return Err(RenameError::Gone(record.id.clone())),
        Renamed::InUse(holder) => {
            return Err(RenameError::InUse { id: record.id.clone(), name: to.to_owned(), holder });
        }
    }
    let dir = engine.paths.container(&record.id);
    if dir.exists() {
        let path = dir.join(NAME);
        fs::write(&path, to).map_err(FileError::at("write", &path))?;
    }
    engine.event(Event::of_container(&Record { name: to.to_owned(), ..record.clone() }, Action::Rename));
    Ok(())
}

/// The name that it was given since it was started; the monitor knows only the one that it had then.
pub(super) fn given(dir: &Path) -> Option<String> {
    fs::read_to_string(dir.join(NAME)).ok()
}
