//! Image indexes, docker's "manifest lists": an image's name that stands for one image a platform.
//!
//! An index is an image of the store whose manifest is the index and which has no layers. Of its instances the store has some; of
//! the others only the place that they are copied from when the index is pushed.

mod add;
mod annotate;
mod copy;
mod create;
mod inspect;
mod push;
mod remove;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use add::{AddOptions, add};
pub use annotate::{Change, annotate, annotate_index};
pub use create::create;
pub use inspect::{Shown, is_index, show};
pub use push::{PushIndexError, push};
pub use remove::remove_instance;

use super::descriptor::{DOCKER_LIST, DocumentError, OCI_INDEX, Platform};
use super::find::{FindError, resolve};
use super::reference::ReferenceError;
use super::registry::RegistryError;
use super::transport::TransportError;
use super::{Image, digest};
use crate::Engine;
use crate::state::images::{self, Row};

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("{0}: a name of an index has no digest")]
    Digest(String),
    /// podman's words.
    #[error("image name {name:?} is already associated with image {id:?}: that name is already in use")]
    Used { name: String, id: String },
    #[error("{0}: image is not a manifest list")]
    NotIndex(String),
    #[error("{0}: an index takes images of the store and of registries: pull it first")]
    Local(String),
    #[error("{image}: no image for platform {platform} in the index: --all adds those of all platforms")]
    NoPlatform { image: String, platform: Platform },
    #[error("{instance}: no such instance in {list}")]
    NoInstance { list: String, instance: String },
    #[error("{instance}: not sha256: and 64 hex digits")]
    BadDigest { instance: String },
    #[error("cannot read {image}")]
    Registry { image: String, source: RegistryError },
    #[error("cannot read {image}")]
    Document { image: String, source: DocumentError },
    #[error("cannot get random bytes")]
    Random(ketch_sys::Errno),
    #[error("cannot write the index: {0}")]
    Json(serde_json::Error),
    #[error(transparent)]
    State(#[from] crate::state::Error),
}

/// The document (image-spec, image-index.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub schema_version: u64,
    #[serde(default)]
    pub media_type: String,
    #[serde(default)]
    pub manifests: Vec<Instance>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest, and whom it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    pub media_type: String,
    pub size: u64,
    pub digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<For>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// All that a platform can say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct For {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

impl Index {
    fn empty() -> Index {
        Index {
            schema_version: 2,
            media_type: OCI_INDEX.to_owned(),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// None: it is another document.
    pub(super) fn parse(bytes: &[u8]) -> Option<Index> {
        let index: Index = serde_json::from_slice(bytes).ok()?;
        [OCI_INDEX, DOCKER_LIST].contains(&index.media_type.as_str()).then_some(index)
    }

    fn bytes(&self) -> Result<Vec<u8>, IndexError> {
        serde_json::to_vec(self).map_err(IndexError::Json)
    }

    /// What is there for `wanted`, the best first: with no variant asked for, those without one.
    fn for_platform<'a>(&'a self, wanted: &'a Platform) -> impl Iterator<Item = &'a Instance> {
        let fits = move |instance: &&Instance| {
            instance.platform.as_ref().is_some_and(|of| {
                of.os == wanted.os
                    && of.architecture == wanted.architecture
                    && (wanted.variant.is_none() || of.variant == wanted.variant)
            })
        };
        let has_variant =
            |instance: &Instance| instance.platform.as_ref().is_some_and(|of| of.variant.is_some());
        let mut fitting: Vec<&Instance> = self.manifests.iter().filter(fits).collect();
        fitting.sort_by_key(|instance| has_variant(instance));
        fitting.into_iter()
    }
}

/// The image that an index of the store stands for on this machine; None: `image` is no index.
pub(super) fn choose(engine: &Engine, text: &str, image: &Image) -> Result<Option<String>, FindError> {
    // All but a few images have layers, and no index has.
    if !image.layers.is_empty() {
        return Ok(None);
    }
    let Some(index) = Index::parse(&image.raw_manifest) else { return Ok(None) };
    let wanted = Platform::host();
    for instance in index.for_platform(&wanted) {
        let ids = engine
            .db
            .read("look up an image", |connection| images::ids_by_digest(connection, &instance.digest))?;
        if let Some(id) = ids.into_iter().find(|id| *id != image.id) {
            return Ok(Some(id));
        }
    }
    Err(FindError::NoInstance { text: text.to_owned(), platform: wanted })
}

/// The row of the index that `text` stands for.
fn open(engine: &Engine, text: &str) -> Result<(Row, Index), IndexError> {
    let id = resolve(engine, text)?.id;
    let row = engine.db.read("look up an image", |connection| images::get(connection, &id))?;
    let row = row.ok_or_else(|| FindError::Unknown(text.to_owned()))?;
    let index = Index::parse(&row.manifest).ok_or_else(|| IndexError::NotIndex(text.to_owned()))?;
    Ok((row, index))
}

/// Changes the index that `text` stands for, as it is at that moment, and returns its id.
fn change(
    engine: &Engine,
    text: &str,
    change: impl FnOnce(&mut Index) -> Result<(), IndexError>,
) -> Result<String, IndexError> {
    let (row, _) = open(engine, text)?;
    engine.db.write("change an index", |connection| {
        let now = images::get(connection, &row.id)?.and_then(|row| Index::parse(&row.manifest));
        let Some(mut index) = now else { return Ok(Err(FindError::Unknown(text.to_owned()).into())) };
        let bytes = match change(&mut index).and_then(|()| index.bytes()) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error)),
        };
        images::set_manifest(connection, &row.id, &digest::of(&bytes), &bytes)?;
        Ok(Ok(()))
    })??;
    Ok(row.id)
}
