//! `pull`: from a registry into the store.

use super::descriptor::{Descriptor, Document, DocumentError, Manifest, Platform};
use super::find::{Resolved, resolve};
use super::import::{ImportError, import, to_fetch};
use super::layer::{self, Expected};
use super::policy::PolicyError;
use super::progress::Progress;
use super::reference::{Reference, ReferenceError, Short};
use super::registries::{Candidates, Origin, ShortError};
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
    #[error(transparent)]
    Short(#[from] ShortError),
    #[error("cannot pull {reference}")]
    Pull { reference: String, source: Cause },
    /// podman's words.
    #[error("{} errors occurred while pulling:{}", .0.len(), .0.iter().map(told).collect::<String>())]
    Several(Vec<PullError>),
}

/// A line of several.
fn told(error: &PullError) -> String {
    let mut text = format!("\n * {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
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
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Pulls the image `name` and returns its id. An image that is there already is only asked after. A name without a registry is what
/// the store calls so, or what `options` say that it stands for: the first of these that can be had.
///
/// Nothing is kept of a pull that fails. Its threads have ended when it returns.
pub fn pull(
    engine: &Engine,
    name: &str,
    options: &PullOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, PullError> {
    let candidates = candidates(engine, name, &options.access)?;
    match candidates.origin {
        Origin::Name => {}
        Origin::Alias(path) => progress(Progress::Alias { name: name.to_owned(), path }),
        Origin::Search(path) => progress(Progress::Search { name: name.to_owned(), path }),
    }
    let mut failed = Vec::new();
    for reference in &candidates.names {
        match pull_one(engine, name, reference, options, progress) {
            Ok(id) => return Ok(id),
            Err(error) => failed.push(error),
        }
    }
    match failed.pop() {
        Some(only) if failed.is_empty() => Err(only),
        last => Err(PullError::Several(failed.into_iter().chain(last).collect())),
    }
}

fn candidates(engine: &Engine, name: &str, access: &Access) -> Result<Candidates, PullError> {
    if Short::parse(name)?.registry.is_none()
        && let Ok(Resolved { name: Some(found), .. }) = resolve(engine, name)
        && let Ok(reference) = Reference::parse(&found)
        && reference.registry != "localhost"
    {
        return Ok(Candidates { names: vec![reference], origin: Origin::Name });
    }
    Ok(access.registries.candidates(name)?)
}

/// Pulls what every tag of the repository of `name` leads to, and returns the ids. Those before one that fails stay.
pub fn pull_all_tags(
    engine: &Engine,
    name: &str,
    options: &PullOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<String>, PullError> {
    let candidates = candidates(engine, name, &options.access)?;
    let reference = candidates.names.into_iter().next().map_or_else(|| Reference::parse(name), Ok)?;
    let tags = || -> Result<Vec<String>, RegistryError> {
        let endpoint = options.access.registries.endpoints(&reference)?.pop();
        match endpoint {
            Some(endpoint) => Client::at(&endpoint, &options.access)?.tags(usize::MAX),
            None => Ok(Vec::new()),
        }
    };
    let tags =
        tags().map_err(|source| PullError::Pull { reference: reference.name(), source: source.into() })?;
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
    options.access.policy.admit(reference)?;
    let (client, place, found) = reach(reference, &options.access, &platform)?;
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
    note(engine, &place, layers, &verified).map_err(ImportError::State)?;
    Ok(id)
}

/// The first place that has the image.
fn reach(
    reference: &Reference,
    access: &Access,
    platform: &Platform,
) -> Result<(Client, Reference, Found), Cause> {
    let mut endpoints = access.registries.endpoints(reference).map_err(RegistryError::from)?.into_iter();
    loop {
        let Some(endpoint) = endpoints.next() else {
            return Err(RegistryError::NoPlace { reference: reference.to_string() }.into());
        };
        let reached = || -> Result<_, Cause> {
            let client = Client::at(&endpoint, access)?;
            let found = find(&client, &endpoint.reference, platform)?;
            Ok((client, found))
        };
        match reached() {
            Ok((client, found)) => return Ok((client, endpoint.reference.clone(), found)),
            // The primary location comes last, and its error is the one to be told.
            Err(error) if endpoints.len() == 0 => return Err(error),
            Err(_) => {}
        }
    }
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
        Ok(layer::stage(client.blob(&layer.digest, layer.size)?, &expected, staging)
            .map_err(ImportError::from)?)
    })
}
