//! `manifest add`

use std::collections::BTreeMap;

use super::{Change, For, Index, IndexError, Instance, change, open};
use crate::Engine;
use crate::image::descriptor::{Document, Manifest, OCI_MANIFEST, Platform};
use crate::image::find::{get, resolve};
use crate::image::reference::Reference;
use crate::image::registry::{Access, Client, RegistryError};
use crate::image::transport::Place;
use crate::image::{FindError, ImageConfiguration, digest};
use crate::state::images;

#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    pub access: Access,
    /// All of an index that is added, and not only what is for this machine's platform.
    pub all: bool,
    /// Instead of what the image says of itself.
    pub change: Change,
}

/// What is added, and the repository that has it if the store has not.
struct Added {
    instance: Instance,
    source: Option<Reference>,
}

/// Adds an image of the store, or of a registry, where it stays; an instance that is there is replaced. Returns the index's id.
pub fn add(engine: &Engine, list: &str, image: &str, options: &AddOptions) -> Result<String, IndexError> {
    // Before a registry is asked.
    open(engine, list)?;
    let mut found = match of_store(engine, image, options)? {
        Some(found) => found,
        None => match Place::parse(image)? {
            Place::Registry(reference) => of_registry(image, &reference, options)?,
            Place::Local(_) => return Err(IndexError::Local(image.to_owned())),
        },
    };
    found.iter_mut().for_each(|added| options.change.apply(&mut added.instance));
    let id = change(engine, list, |index| {
        for added in &found {
            index.manifests.retain(|other| other.digest != added.instance.digest);
            index.manifests.push(added.instance.clone());
        }
        Ok(())
    })?;
    engine.db.write("note where instances are", |connection| {
        found.iter().try_for_each(|added| {
            let name = added.source.as_ref().map(Reference::name);
            images::set_source(connection, &id, &added.instance.digest, name.as_deref())
        })
    })?;
    Ok(id)
}

fn of_store(engine: &Engine, image: &str, options: &AddOptions) -> Result<Option<Vec<Added>>, IndexError> {
    let found = match resolve(engine, image) {
        Ok(resolved) => get(engine, &resolved.id)?,
        Err(FindError::Unknown(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if let Some(index) = Index::parse(&found.raw_manifest) {
        let mut all = Vec::new();
        for instance in chosen(image, &index, options)? {
            let source = engine.db.read("look up an instance", |connection| {
                images::source(connection, &found.id, &instance.digest)
            })?;
            let source = source.map(|name| Reference::parse(&name)).transpose()?;
            all.push(Added { instance, source });
        }
        return Ok(Some(all));
    }
    let manifest = parse(image, &found.raw_manifest, None)?;
    let instance = Instance {
        media_type: manifest.media_type.unwrap_or_else(|| OCI_MANIFEST.to_owned()),
        size: found.raw_manifest.len() as u64,
        digest: found.digest,
        platform: Some(platform(&found.config)),
        annotations: BTreeMap::new(),
    };
    Ok(Some(vec![Added { instance, source: None }]))
}

fn of_registry(image: &str, reference: &Reference, options: &AddOptions) -> Result<Vec<Added>, IndexError> {
    let failed = |source: RegistryError| IndexError::Registry { image: image.to_owned(), source };
    let client = Client::new(reference, &options.access).map_err(failed)?;
    let (bytes, content_type) = client.manifest(reference.selector()).map_err(failed)?;
    if let Some(index) = Index::parse(&bytes) {
        let chosen = chosen(image, &index, options)?.into_iter();
        return Ok(chosen.map(|instance| Added { instance, source: Some(reference.clone()) }).collect());
    }
    let manifest = parse(image, &bytes, content_type.as_deref())?;
    let config = client.document(&manifest.config.digest).map_err(failed)?;
    let config: ImageConfiguration = serde_json::from_slice(&config).map_err(|error| {
        let source = crate::image::DocumentError::Json(error.to_string());
        IndexError::Document { image: image.to_owned(), source }
    })?;
    let instance = Instance {
        media_type: manifest.media_type.or(content_type).unwrap_or_else(|| OCI_MANIFEST.to_owned()),
        size: bytes.len() as u64,
        digest: digest::of(&bytes),
        platform: Some(platform(&config)),
        annotations: BTreeMap::new(),
    };
    Ok(vec![Added { instance, source: Some(reference.clone()) }])
}

/// Those of an index that are wanted.
fn chosen(image: &str, index: &Index, options: &AddOptions) -> Result<Vec<Instance>, IndexError> {
    if options.all {
        return Ok(index.manifests.clone());
    }
    let platform = Platform::host();
    let first = index.for_platform(&platform).next().cloned();
    match first {
        Some(instance) => Ok(vec![instance]),
        None => Err(IndexError::NoPlatform { image: image.to_owned(), platform }),
    }
}

fn parse(image: &str, bytes: &[u8], content_type: Option<&str>) -> Result<Manifest, IndexError> {
    let failed = |source| IndexError::Document { image: image.to_owned(), source };
    match Document::parse(bytes, content_type.or(Some(OCI_MANIFEST))).map_err(failed)? {
        Document::Manifest(manifest) => manifest.check().map(|()| manifest).map_err(failed),
        Document::Index(_) => Err(failed(crate::image::DocumentError::NestedIndex)),
    }
}

fn platform(config: &ImageConfiguration) -> For {
    For {
        architecture: config.architecture().to_string(),
        os: config.os().to_string(),
        os_version: config.os_version().clone(),
        os_features: config.os_features().clone().unwrap_or_default(),
        variant: config.variant().clone(),
        features: Vec::new(),
    }
}
