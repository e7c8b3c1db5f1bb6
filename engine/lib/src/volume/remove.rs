//! `volume rm`.

use super::{FindError, Lock, find};
use crate::container::FileError;
use crate::container::remove::{self as container, Force};
use crate::events::{Action, Event, Kind};
use crate::tree::{self, TreeError};
use crate::{Engine, state};

#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    #[error(transparent)]
    Find(#[from] FindError),
    /// podman's words.
    #[error("volume {volume} is being used by the following container(s): {users}: volume is being used")]
    InUse { volume: String, users: String },
    /// `--force`, and a container that uses it could not be removed.
    #[error("cannot remove container {id}, which uses volume {volume}")]
    Container { id: String, volume: String, source: Box<container::RemoveError> },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Removes the volume `text` and returns its name; with `force` the containers that use it as well.
pub fn remove(engine: &Engine, text: &str, force: Option<Force>) -> Result<String, RemoveError> {
    let name = find(engine, text)?.name;
    loop {
        for id in engine.db.containers_of_volume(&name)? {
            let Some(force) = force else {
                let users = engine.db.containers_of_volume(&name)?.join(", ");
                return Err(RemoveError::InUse { volume: name, users });
            };
            let Ok(record) = engine.db.find_container(&id) else { continue };
            container::remove(engine, &record, force, false).map_err(|source| RemoveError::Container {
                id,
                volume: name.clone(),
                source: Box::new(source),
            })?;
        }
        // A container that was created meanwhile has the last word.
        if remove_unused(engine, &name)? || engine.db.volume(&name)?.is_none() {
            return Ok(name);
        }
    }
}

/// Removes the volume unless a container uses it; says whether it did.
pub(crate) fn remove_unused(engine: &Engine, name: &str) -> Result<bool, RemoveError> {
    let _lock = Lock::take(&engine.paths)?;
    remove_locked(engine, name)
}

/// With the lock.
pub(super) fn remove_locked(engine: &Engine, name: &str) -> Result<bool, RemoveError> {
    if !engine.db.delete_unused_volume(name)? {
        return Ok(false);
    }
    // What is killed here is cleared by whoever makes a volume of this name.
    tree::remove(&engine.paths.volumes().join(name))?;
    engine.event(Event::new(Kind::Volume, Action::Remove, "", name));
    Ok(true)
}
