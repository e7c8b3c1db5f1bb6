//! Looking an image up in the store: by name, complete or short, by digest, by id or the beginning of one.

use super::descriptor::Platform;
use super::reference::{Short, is_digest, repository_of};
use super::{Image, index};
use crate::Engine;
use crate::state::{self, images};
use crate::store::layers::hex;

#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// podman's words.
    #[error("{0}: image not known")]
    Unknown(String),
    #[error("{0}: more than one image has an id that starts so")]
    Ambiguous(String),
    #[error("the configuration of image {0} in the state database cannot be read")]
    Damaged(String),
    #[error("{text}: the store has no image for platform {platform} of this index: pull it")]
    NoInstance { text: String, platform: Platform },
    #[error(transparent)]
    State(#[from] state::Error),
}

/// The image that `text` stands for.
///
/// A full id goes before a name, a name before the beginning of an id. A name without a registry is looked for below
/// `localhost`, then in `docker.io`, then as the end of any name.
///
/// An index leads to the one of its images that is for this machine's platform.
pub fn find(engine: &Engine, text: &str) -> Result<Image, FindError> {
    let image = get(engine, &resolve(engine, text)?.id)?;
    match index::choose(engine, text, &image)? {
        Some(id) => get(engine, &id),
        None => Ok(image),
    }
}

pub(super) fn get(engine: &Engine, id: &str) -> Result<Image, FindError> {
    let row = engine.db.read("look up an image", |connection| images::get(connection, id))?;
    let row = row.ok_or_else(|| FindError::Unknown(id.to_owned()))?;
    Image::from_row(row).ok_or_else(|| FindError::Damaged(id.to_owned()))
}

/// What a text led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) id: String,
    /// The complete name, when it was one.
    pub(super) name: Option<String>,
}

pub(super) fn resolve(engine: &Engine, text: &str) -> Result<Resolved, FindError> {
    let found = engine.db.read("look up an image", |connection| {
        let by_id = |id: String| Resolved { id, name: None };
        let prefix = hex(text);
        let is_id =
            !prefix.is_empty() && prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let ids = if is_id { images::ids_starting_with(connection, prefix)? } else { Vec::new() };
        if let [id] = ids.as_slice()
            && id == prefix
        {
            return Ok(Ok(Some(by_id(id.clone()))));
        }
        if is_digest(text) {
            return Ok(Ok(images::ids_by_digest(connection, text)?.into_iter().next().map(by_id)));
        }
        if let Ok(short) = Short::parse(text)
            && let Some(found) = by_name(connection, &short)?
        {
            return Ok(Ok(Some(found)));
        }
        Ok(match ids.as_slice() {
            [id] => Ok(Some(by_id(id.clone()))),
            [] => Ok(None),
            _ => Err(FindError::Ambiguous(text.to_owned())),
        })
    })?;
    found?.ok_or_else(|| FindError::Unknown(text.to_owned()))
}

fn by_name(connection: &rusqlite::Connection, short: &Short) -> rusqlite::Result<Option<Resolved>> {
    if let Some(digest) = &short.digest {
        return by_digest(connection, short, digest);
    }
    for registry in ["localhost", "docker.io"] {
        let name = short.at(registry).to_string();
        if let Some(id) = images::id_by_name(connection, &name)? {
            return Ok(Some(Resolved { id, name: Some(name) }));
        }
        if short.registry.is_some() {
            return Ok(None);
        }
    }
    let end = format!("/{}:{}", short.repository, short.tag.as_deref().unwrap_or("latest"));
    let found = images::names(connection)?.into_iter().find(|(name, _)| name.ends_with(&end));
    Ok(found.map(|(name, id)| Resolved { id, name: Some(name) }))
}

/// `name@sha256:…`: an image with that digest and a name of that repository. The tag, if any, is not looked at.
fn by_digest(
    connection: &rusqlite::Connection,
    short: &Short,
    digest: &str,
) -> rusqlite::Result<Option<Resolved>> {
    let ids = images::ids_by_digest(connection, digest)?;
    let complete = [short.at("localhost").name(), short.at("docker.io").name()];
    let end = format!("/{}", short.repository);
    for (name, id) in images::names(connection)? {
        let repository = repository_of(&name);
        let fits = complete.iter().any(|complete| complete == repository)
            || short.registry.is_none() && repository.ends_with(&end);
        if fits && ids.contains(&id) {
            let is_its_name = name.ends_with(digest);
            return Ok(Some(Resolved { id, name: is_its_name.then_some(name) }));
        }
    }
    Ok(None)
}
