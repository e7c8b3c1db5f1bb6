//! `rmi`: names and images out of the database, then layers that no image uses out of the store.

use super::find::{FindError, Resolved, resolve};
use super::mount::is_image_mounted;
use crate::Engine;
use crate::events::{Action, Event, Kind};
use crate::state::{self, images};
use crate::store::StoreError;
use crate::store::layers::{self, hex};
use crate::store::staging::Staging;

/// What a removal has done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name.
    Untagged(String),
    /// An image: its id.
    Deleted(String),
}

#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    #[error(transparent)]
    Find(#[from] FindError),
    /// podman's words.
    #[error(
        "unable to delete image {id:?} by ID with more than one tag ([{}]): please force removal",
        names.join(" ")
    )]
    SeveralNames { id: String, names: Vec<String> },
    /// podman's words.
    #[error(
        "image used by {}: image is in use by a container: consider listing external containers and force-removing image",
        containers.first().map_or("", String::as_str)
    )]
    InUse { image: String, containers: Vec<String> },
    #[error("image {0} is mounted: unmount it first (ketch image unmount)")]
    Mounted(String),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Removes what `text` stands for: a name that is not the last one goes alone; the last name, or an id, takes the image
/// along. `force`: an id with several names too. Layers go with [`sweep`].
///
/// An image that a container uses stays; the caller that wants it gone removes the containers first.
pub fn remove(engine: &Engine, text: &str, force: bool) -> Result<Vec<Removed>, RemoveError> {
    let resolved = resolve(engine, text)?;
    let removed = take_away(engine, text, &resolved, force)?;
    let mut last = text;
    for removed in &removed {
        let (action, name) = match removed {
            Removed::Untagged(name) => (Action::Untag, name.as_str()),
            Removed::Deleted(_) => (Action::Remove, last),
        };
        engine.event(Event::new(Kind::Image, action, &resolved.id, name));
        last = name;
    }
    Ok(removed)
}

fn take_away(
    engine: &Engine,
    text: &str,
    resolved: &Resolved,
    force: bool,
) -> Result<Vec<Removed>, RemoveError> {
    // What a power cut leaves of this must not be a row whose layers are gone.
    engine
        .db
        .read("make removals durable", |connection| connection.pragma_update(None, "synchronous", "FULL"))?;
    engine.db.write("remove an image", |connection| {
        let names = match images::get(connection, &resolved.id)? {
            Some(row) => row.names,
            None => return Ok(Err(FindError::Unknown(text.to_owned()).into())),
        };
        match plan(resolved, names, force) {
            Err(error) => Ok(Err(error)),
            Ok(Plan::Untag(name)) => {
                images::remove_name(connection, &name)?;
                Ok(Ok(vec![Removed::Untagged(name)]))
            }
            Ok(Plan::Delete(names)) => {
                match engine.db.containers_of_image(&resolved.id) {
                    Ok(containers) if containers.is_empty() => {}
                    Ok(containers) => {
                        return Ok(Err(RemoveError::InUse { image: resolved.id.clone(), containers }));
                    }
                    Err(error) => return Ok(Err(error.into())),
                }
                if is_image_mounted(engine, &resolved.id) {
                    return Ok(Err(RemoveError::Mounted(resolved.id.clone())));
                }
                images::delete(connection, &resolved.id)?;
                let removed = names.into_iter().map(Removed::Untagged);
                Ok(Ok(removed.chain([Removed::Deleted(resolved.id.clone())]).collect()))
            }
        }
    })?
}

/// Removes layers that no image uses, and what dead commands left in staging.
///
/// After a kill between [`remove`] and this the next sweep finds the same.
pub fn sweep(engine: &Engine) -> Result<(), RemoveError> {
    let staging = Staging::new(&engine.paths)?;
    engine.db.write("find unused layers", |connection| {
        let used = images::used_layers(connection)?.iter().map(|diff_id| hex(diff_id).to_owned()).collect();
        Ok(layers::retire(&engine.paths, &used, &staging))
    })??;
    Ok(())
}

enum Plan {
    Untag(String),
    Delete(Vec<String>),
}

fn plan(resolved: &Resolved, names: Vec<String>, force: bool) -> Result<Plan, RemoveError> {
    match &resolved.name {
        Some(name) if names.iter().any(|other| other != name) => Ok(Plan::Untag(name.clone())),
        None if names.len() > 1 && !force => {
            Err(RemoveError::SeveralNames { id: resolved.id.clone(), names })
        }
        _ => Ok(Plan::Delete(names)),
    }
}
