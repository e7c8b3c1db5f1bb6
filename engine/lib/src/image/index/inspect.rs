//! `manifest inspect` and `manifest exists`

use serde_json::Value;

use super::{Index, IndexError, open};
use crate::Engine;
use crate::image::FindError;
use crate::image::descriptor::DocumentError;
use crate::image::registry::{Access, Client, RegistryError};
use crate::image::transport::Place;

/// What a name leads to.
#[derive(Debug, Clone)]
pub enum Shown {
    Index(Index),
    /// A registry has a manifest of one image by that name.
    Manifest(Value),
}

/// Whether `text` is an index of the store.
pub fn is_index(engine: &Engine, text: &str) -> Result<bool, IndexError> {
    match open(engine, text) {
        Ok(_) => Ok(true),
        Err(IndexError::NotIndex(_) | IndexError::Find(FindError::Unknown(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The index of the store, or what a registry has by that name.
pub fn show(engine: &Engine, text: &str, access: &Access) -> Result<Shown, IndexError> {
    match open(engine, text) {
        Ok((_, index)) => return Ok(Shown::Index(index)),
        Err(IndexError::NotIndex(_) | IndexError::Find(FindError::Unknown(_))) => {}
        Err(error) => return Err(error),
    }
    let Place::Registry(reference) = Place::parse(text)? else {
        return Err(IndexError::Local(text.to_owned()));
    };
    let failed = |source: RegistryError| IndexError::Registry { image: text.to_owned(), source };
    let client = Client::new(&reference, access).map_err(failed)?;
    let (bytes, _) = client.manifest(reference.selector()).map_err(failed)?;
    match Index::parse(&bytes) {
        Some(index) => Ok(Shown::Index(index)),
        None => serde_json::from_slice(&bytes).map(Shown::Manifest).map_err(|error| {
            let source = DocumentError::Json(error.to_string());
            IndexError::Document { image: text.to_owned(), source }
        }),
    }
}
