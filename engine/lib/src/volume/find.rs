//! From a name to a volume.

use super::Volume;
use crate::{Engine, state};

/// podman's words.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("no volume with name {0:?} found: no such volume")]
    NotFound(String),
    #[error("more than one result for volume name {0:?}: volume already exists")]
    Ambiguous(String),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// By name, or the beginning of a name that only one has.
pub fn find(engine: &Engine, text: &str) -> Result<Volume, FindError> {
    if let Some(volume) = engine.db.volume(text)? {
        return Ok(volume);
    }
    let mut found = engine.db.volumes()?.into_iter().filter(|volume| volume.name.starts_with(text));
    match (found.next(), found.next()) {
        (Some(volume), None) => Ok(volume),
        (Some(_), Some(_)) => Err(FindError::Ambiguous(text.to_owned())),
        (None, _) => Err(FindError::NotFound(text.to_owned())),
    }
}
