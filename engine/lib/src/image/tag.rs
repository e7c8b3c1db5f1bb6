//! `tag` and `untag`: names that an image gets or loses.

use super::find::{FindError, resolve};
use super::reference::{ReferenceError, Short};
use crate::Engine;
use crate::events::{Action, Event, Kind};
use crate::state::{self, images};

#[derive(Debug, thiserror::Error)]
pub enum TagError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("{0}: a tag cannot have a digest")]
    Digest(String),
    /// podman's words.
    #[error("{0}: tag not known")]
    Unknown(String),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Gives the image all of `names`. One without a registry is this machine's, below `localhost`. A name that another image
/// has moves. Either all are given or none.
pub fn tag(engine: &Engine, image: &str, names: &[String]) -> Result<(), TagError> {
    let id = resolve(engine, image)?.id;
    let names = complete(names)?;
    let is_there = engine.db.write("tag an image", |connection| {
        // Another command may have removed it since.
        let is_there = images::exists(connection, &id)?;
        if is_there {
            names.iter().try_for_each(|name| images::set_name(connection, name, &id))?;
        }
        Ok(is_there)
    })?;
    if !is_there {
        return Err(FindError::Unknown(image.to_owned()).into());
    }
    for name in &names {
        engine.event(Event::new(Kind::Image, Action::Tag, &id, name));
    }
    Ok(())
}

/// Takes `names` from the image; without any, all that it has. The image stays, if need be without a name.
pub fn untag(engine: &Engine, image: &str, names: &[String]) -> Result<(), TagError> {
    let id = resolve(engine, image)?.id;
    let mut doomed = Vec::new();
    for name in names {
        let resolved = resolve(engine, name).ok().filter(|resolved| resolved.id == id);
        doomed.push(
            resolved.and_then(|resolved| resolved.name).ok_or_else(|| TagError::Unknown(name.clone()))?,
        );
    }
    engine.db.write("untag an image", |connection| {
        if names.is_empty() {
            doomed = images::get(connection, &id)?.map(|row| row.names).unwrap_or_default();
        }
        doomed.iter().try_for_each(|name| images::remove_name(connection, name))
    })?;
    for name in &doomed {
        engine.event(Event::new(Kind::Image, Action::Untag, &id, name));
    }
    Ok(())
}

fn complete(names: &[String]) -> Result<Vec<String>, TagError> {
    let mut complete = Vec::new();
    for text in names {
        let name = Short::parse(text)?.at("localhost");
        if name.digest.is_some() {
            return Err(TagError::Digest(text.clone()));
        }
        complete.push(name.to_string());
    }
    Ok(complete)
}
