//! `pull`: from a registry into the store.

use super::descriptor::{Descriptor, Document, DocumentError, Manifest, Platform};
use super::import::{ImportError, import, to_fetch};
use super::layer::{self, Expected};
use super::progress::Progress;
use super::reference::{Reference, ReferenceError};
use super::registry::{Access, Client, RegistryError};
use super::{ImageConfiguration, digest, parallel};
use crate::events::{Action, Event, Kind};
use crate::state::blobs::{self, LayerBlob};
use crate::state::images::{Layer, Row};
use crate::store::layers::hex;
use crate::store::staging::Staging;
use crate::{Engine, state};

#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    pub access: Access,
    /// None: this machine's.
    pub platform: Option<Platform>,
}

#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("cannot pull {reference}")]
    Pull { reference: String, source: Cause },
}

/// What stopped a pull.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Pulls the image `name` and returns its id. An image that is there already is only asked after.
///
/// Nothing is kept of a pull that fails. Its threads have ended when it returns.
pub fn pull(
    engine: &Engine,
    name: &str,
    options: &PullOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, PullError> {
    pull_one(engine, name, &Reference::parse(name)?, options, progress)
}

/// Pulls what every tag of the repository of `name` leads to, and returns the ids. Those before one that fails stay.
pub fn pull_all_tags(
    engine: &Engine,
    name: &str,
    options: &PullOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<String>, PullError> {
    let reference = Reference::parse(name)?;
    let failed =
        |source: RegistryError| PullError::Pull { reference: reference.name(), source: source.into() };
    let client = Client::new(&reference, &options.access).map_err(failed)?;
    let tags = client.tags(usize::MAX).map_err(failed)?;
    let mut ids = Vec::new();
    for tag in tags {
        let tagged = Reference::parse(&format!("{}:{tag}", reference.name()))?;
        ids.push(pull_one(engine, &tagged.to_string(), &tagged, options, progress)?);
    }
    Ok(ids)
}

fn pull_one(
    engine: &Engine,
    name: &str,
    reference: &Reference,
    options: &PullOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, PullError> {
    progress(Progress::Trying(reference.to_string()));
    let pulled = transfer(engine, reference, options, progress);
    engine.event(match &pulled {
        Ok(id) => Event::new(Kind::Image, Action::Pull, id, name),
        Err(cause) => {
            Event { error: cause.to_string(), ..Event::new(Kind::Image, Action::PullError, "", name) }
        }
    });
    pulled.map_err(|source| PullError::Pull { reference: reference.to_string(), source })
}

fn transfer(
    engine: &Engine,
    reference: &Reference,
    options: &PullOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, Cause> {
    let platform = options.platform.clone().unwrap_or_else(Platform::host);
    let client = Client::new(reference, &options.access)?;
    let found = find(&client, reference, &platform)?;
    let config = client.document(&found.manifest.config.digest)?;
    let diff_ids = check(&config, &found.manifest, &platform, progress)?;

    let staging = Staging::new(&engine.paths).map_err(ImportError::from)?;
    let row = |layers| row(reference, &found, &config, layers);
    let mut verified: Vec<String> = Vec::new();
    let id = import(engine, &staging, &diff_ids, row, |missing| -> Result<_, Cause> {
        verified.extend_from_slice(missing);
        let fetched = fetch(&client, &found.manifest.layers, &diff_ids, missing, &staging, progress)?;
        progress(Progress::Config(found.manifest.config.digest.clone()));
        progress(Progress::Writing);
        Ok(fetched)
    })?;
    let layers = found.manifest.layers.iter().zip(&diff_ids);
    note(engine, reference, layers, &verified).map_err(ImportError::State)?;
    Ok(id)
}

/// So that a push finds the blobs again. What was not fetched is not known to be what the manifest says.
fn note<'a>(
    engine: &Engine,
    reference: &Reference,
    layers: impl Iterator<Item = (&'a Descriptor, &'a String)>,
    verified: &[String],
) -> Result<(), state::Error> {
    engine.db.write("note the blobs of a pull", |connection| {
        for (layer, diff_id) in layers {
            if verified.contains(diff_id) {
                let (digest, media_type) = (layer.digest.clone(), layer.media_type.clone());
                let blob = LayerBlob { digest, size: layer.size, media_type };
                blobs::note_blob(connection, diff_id, &blob)?;
            }
            blobs::note_place(connection, &layer.digest, &reference.registry, &reference.repository)?;
        }
        Ok(())
    })
}

/// The manifest that a reference leads to.
struct Found {
    manifest: Manifest,
    bytes: Vec<u8>,
    /// Of what the reference named, index or manifest, and of the manifest.
    digests: Vec<String>,
}

fn find(client: &Client, reference: &Reference, platform: &Platform) -> Result<Found, Cause> {
    let (bytes, content_type) = client.manifest(reference.selector())?;
    let mut digests = vec![digest::of(&bytes)];
    let (manifest, bytes) = match Document::parse(&bytes, content_type.as_deref())? {
        Document::Manifest(manifest) => (manifest, bytes),
        Document::Index(index) => {
            let chosen = index.choose(platform)?;
            let (bytes, content_type) = client.manifest(&chosen.digest)?;
            digests.push(chosen.digest.clone());
            match Document::parse(&bytes, content_type.as_deref().or(Some(&chosen.media_type)))? {
                Document::Manifest(manifest) => (manifest, bytes),
                Document::Index(_) => return Err(DocumentError::NestedIndex.into()),
            }
        }
    };
    manifest.check()?;
    Ok(Found { manifest, bytes, digests })
}

/// The configuration's diff ids, one for each layer of the manifest.
fn check(
    config: &[u8],
    manifest: &Manifest,
    platform: &Platform,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<String>, DocumentError> {
    let parsed: ImageConfiguration =
        serde_json::from_slice(config).map_err(|error| DocumentError::Json(error.to_string()))?;
    let diff_ids = super::import::diff_ids(&parsed)?;
    if diff_ids.len() != manifest.layers.len() {
        return Err(DocumentError::Layers { layers: manifest.layers.len(), diff_ids: diff_ids.len() });
    }
    let architecture = parsed.architecture().to_string();
    let os = parsed.os().to_string();
    if architecture != platform.architecture || os != platform.os {
        progress(Progress::Warning(format!(
            "image platform ({os}/{architecture}) does not match the expected platform ({platform})"
        )));
    }
    Ok(diff_ids)
}

fn row(reference: &Reference, found: &Found, config: &[u8], layers: Vec<Layer>) -> Row {
    Row {
        id: hex(&found.manifest.config.digest).to_owned(),
        digest: digest::of(&found.bytes),
        manifest: found.bytes.clone(),
        config: config.to_owned(),
        names: vec![reference.to_string()],
        digests: found.digests.clone(),
        layers,
    }
}

fn fetch(
    client: &Client,
    layers: &[Descriptor],
    diff_ids: &[String],
    missing: &[String],
    staging: &Staging,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Layer>, Cause> {
    let jobs = to_fetch(layers, diff_ids, missing, progress, |layer, _| (layer.digest.as_str(), layer.size));
    parallel::run(&jobs, |(layer, diff_id)| {
        let expected = Expected { blob: Some(&layer.digest), size: Some(layer.size), diff_id };
        Ok(layer::stage(client.blob(&layer.digest)?, &expected, staging).map_err(ImportError::from)?)
    })
}
