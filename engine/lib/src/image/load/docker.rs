//! `docker-archive`: `manifest.json` names the configuration and the layers of each image.

use serde::{Deserialize, Serialize};

use super::archive::Archive;
use super::{Found, FoundLayer, LoadError, configuration, document};
use crate::image::descriptor::{DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, DocumentError};
use crate::image::digest;
use crate::image::reference::Reference;
use crate::state::images::{Layer, Row};
use crate::store::layers::hex;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    /// `null` for an image without a name.
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

pub(super) fn find(archive: &Archive) -> Result<Vec<Found>, LoadError> {
    let member = "manifest.json";
    let items: Vec<Item> = serde_json::from_slice(&document(archive, member)?).map_err(|error| {
        LoadError::Document { member: member.to_owned(), source: DocumentError::Json(error.to_string()) }
    })?;
    items.into_iter().map(|item| image(archive, item)).collect()
}

fn image(archive: &Archive, item: Item) -> Result<Found, LoadError> {
    let config = document(archive, &item.config)?;
    let diff_ids = configuration(&config, &item.config, item.layers.len())?;
    if let Some(missing) = item.layers.iter().find(|member| archive.stream(member).is_none()) {
        return Err(LoadError::Missing(missing.clone()));
    }
    let tags = item.repo_tags.unwrap_or_default();
    let names = tags
        .iter()
        .map(|tag| Reference::parse(tag).map(|name| name.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    let digest = digest::of(&config);
    let row = {
        let (names, digest) = (names.clone(), digest.clone());
        move |layers: Vec<Layer>| {
            let manifest = manifest(&digest, config.len(), &layers);
            let manifest_digest = digest::of(&manifest);
            Row {
                id: hex(&digest).to_owned(),
                digests: vec![manifest_digest.clone()],
                digest: manifest_digest,
                manifest,
                config: config.clone(),
                names: names.clone(),
                layers,
            }
        }
    };
    let layers = item.layers.into_iter().map(|member| FoundLayer { member, blob: None }).collect();
    Ok(Found { diff_ids, layers, digest, names, row: Box::new(row) })
}

/// The manifest that such an archive lacks, byte for byte the one that podman makes up, so that digests agree.
pub(in crate::image) fn manifest(config: &str, config_size: usize, layers: &[Layer]) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        schema_version: u8,
        media_type: &'a str,
        config: Pointer<'a>,
        layers: Vec<Pointer<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Pointer<'a> {
        media_type: &'a str,
        size: u64,
        digest: &'a str,
    }
    let document = Document {
        schema_version: 2,
        media_type: DOCKER_MANIFEST,
        config: Pointer { media_type: DOCKER_CONFIG, size: config_size as u64, digest: config },
        layers: layers
            .iter()
            .map(|layer| Pointer { media_type: DOCKER_LAYER, size: layer.size, digest: &layer.diff_id })
            .collect(),
    };
    // Strings and numbers alone: this cannot fail.
    serde_json::to_vec(&document).unwrap_or_default()
}
