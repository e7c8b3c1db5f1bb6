//! `secret rm`.

use std::fs;
use std::io::ErrorKind;

use super::{FindSecretError, Secret};
use crate::container::FileError;
use crate::events::{Action, Event, Kind};
use crate::{Engine, state};

#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    #[error(transparent)]
    Find(#[from] FindSecretError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Removes the secret, by name or id, and returns its id. Containers keep what they were given.
pub fn remove(engine: &Engine, text: &str) -> Result<String, RemoveError> {
    let Secret { id, name, .. } = engine.db.find_secret(text)?;
    if engine.db.delete_secret(&id)? {
        engine.event(Event::new(Kind::Secret, Action::Remove, &id, &name));
    }
    forget(engine, &id)?;
    Ok(id)
}

/// Without a row nobody finds it any more.
pub(super) fn forget(engine: &Engine, id: &str) -> Result<(), FileError> {
    let path = engine.paths.secrets().join(id);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(FileError { step: "remove the secret", path, source: error })
        }
        _ => Ok(()),
    }
}
