//! `push`: from the store into a registry.
//!
//! What the registry has is not sent again: a layer that was pulled from it, or pushed to it, is known by the digest that it has there,
//! and is taken over from another of its repositories where this one lacks it. An image all of whose layers are found so keeps
//! its manifest, byte for byte. The others are written as the tars that they came as, compressed anew, and described by a new manifest.

mod layers;
mod manifest;

use layers::{Job, Sent};

use super::descriptor::DocumentError;
use super::progress::Progress;
use super::reference::Reference;
use super::registry::{Access, Blob, Client, RegistryError, UploadSource};
use super::save::{Compression, SaveError};
use super::{FindError, Image, digest, find, parallel, save};
use crate::Engine;
use crate::events::{Action, Event, Kind};
use crate::image::compose::Format;
use crate::state::blobs::{self, LayerBlob};
use crate::store::staging::Staging;

#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    pub access: Access,
    /// None: that of the image's manifest.
    pub format: Option<Format>,
    /// None: gzip, where a layer has to be compressed.
    pub compression: Option<Compression>,
    pub level: Option<u32>,
    /// Layers that are there in another compression do not count.
    pub force_compression: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("docker's format has no layers in zstd: use --format oci")]
    Zstd,
    #[error("cannot push to {reference}")]
    Push { reference: String, source: Cause },
}

/// What stopped a push.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Save(#[from] SaveError),
    #[error("the image's manifest")]
    Manifest(#[from] DocumentError),
    #[error("the manifest that results has digest {actual}: push by a tag")]
    Digest { actual: String },
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    State(#[from] crate::state::Error),
}

/// Pushes the image that `text` stands for, and returns the digest of its manifest there.
///
/// A push that fails may leave blobs in the registry, and no manifest. Its threads have ended when it returns.
pub fn push(
    engine: &Engine,
    text: &str,
    reference: &Reference,
    options: &PushOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, PushError> {
    let image = find(engine, text)?;
    if options.format == Some(Format::Docker) && options.compression == Some(Compression::Zstd) {
        return Err(PushError::Zstd);
    }
    let pushed = transfer(engine, &image, reference, Some(reference.selector()), options, progress)
        .map_err(|source| PushError::Push { reference: reference.to_string(), source })?;
    engine.event(Event::new(Kind::Image, Action::Push, &image.id, &reference.to_string()));
    Ok(pushed.digest)
}

/// A manifest in a registry.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    pub(super) digest: String,
    pub(super) size: u64,
    pub(super) media_type: String,
}

/// Sends layers, configuration and manifest, in this order: a manifest in a registry has all that it names.
/// `selector`: the tag or digest that it gets; None: its own digest.
pub(super) fn transfer(
    engine: &Engine,
    image: &Image,
    reference: &Reference,
    selector: Option<&str>,
    options: &PushOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Pushed, Cause> {
    let staging = Staging::new(&engine.paths)?;
    let source = manifest::Source::parse(&image.raw_manifest)?;
    let format = source.format(options);
    let mut jobs = Vec::new();
    for (index, diff_id) in image.layers.iter().enumerate() {
        jobs.push(Job::new(engine, diff_id, source.layer(index), reference, format, options)?);
    }
    let mut others: Vec<String> = jobs.iter().flat_map(Job::repositories).map(str::to_owned).collect();
    others.sort_unstable();
    others.dedup();
    let client = Client::to_push(reference, &options.access, &others)?;

    // First what needs no bytes.
    let mut found = Vec::new();
    for (job, diff_id) in jobs.iter().zip(&image.layers) {
        let there = job.find(&client)?;
        progress(match &there {
            Some(there) => Progress::Present(there.blob.digest.clone()),
            None => Progress::Copying(diff_id.clone()),
        });
        found.push(there);
    }
    let is_missing = |index: usize| found.get(index).is_none_or(Option::is_none);
    let saved = save::ready(engine, image.clone(), Vec::new(), &is_missing, &staging, progress)?;
    let sent = send_missing(engine, &client, &jobs, &saved.layers, found, &staging)?;
    progress(Progress::Config(saved.digest.clone()));
    if !client.has_blob(&saved.digest)? {
        let source = UploadSource::Bytes(&saved.config);
        let config = Blob { digest: &saved.digest, size: saved.config.len() as u64, source };
        client.upload(&config)?;
    }
    let (bytes, media_type) = source.result(format, &saved.digest, saved.config.len(), &sent);
    let digest = digest::of(&bytes);
    let wanted = reference.digest.as_ref().filter(|wanted| selector.is_some() && **wanted != digest);
    if let Some(wanted) = wanted {
        return Err(Cause::Digest { actual: format!("{digest} and not {wanted}") });
    }
    progress(Progress::Writing);
    client.put_manifest(selector.unwrap_or(&digest), &bytes, &media_type)?;
    note(engine, reference, &saved.layers, &sent)?;
    Ok(Pushed { digest, size: bytes.len() as u64, media_type })
}

/// Sends the layers that were not found, each once and two at a time. Returns all.
fn send_missing(
    engine: &Engine,
    client: &Client,
    jobs: &[Job],
    layers: &[save::Source],
    found: Vec<Option<Sent>>,
    staging: &Staging,
) -> Result<Vec<Sent>, Cause> {
    let diff_id = |layer: &save::Source| layer.layer.diff_id.clone();
    let mut missing: Vec<(&Job, &save::Source)> = Vec::new();
    for ((job, layer), found) in jobs.iter().zip(layers).zip(&found) {
        if found.is_none() && !missing.iter().any(|(_, other)| diff_id(other) == diff_id(layer)) {
            missing.push((job, layer));
        }
    }
    let paths = &engine.paths;
    let sent = parallel::run(&missing, |(job, layer)| job.send(layer, paths, client, staging))?;
    let of_layer = |layer: &save::Source| {
        let mut both = missing.iter().zip(&sent);
        both.find(|((_, other), _)| diff_id(other) == diff_id(layer)).map(|(_, sent)| sent.clone())
    };
    // Each is one or the other.
    Ok(layers.iter().zip(found).filter_map(|(layer, found)| found.or_else(|| of_layer(layer))).collect())
}

/// So that the next push finds them.
fn note(engine: &Engine, reference: &Reference, layers: &[save::Source], sent: &[Sent]) -> Result<(), Cause> {
    engine.db.write("note the blobs of a push", |connection| {
        for (source, Sent { blob, is_verified }) in layers.iter().zip(sent) {
            if *is_verified {
                blobs::note_blob(connection, &source.layer.diff_id, blob)?;
            }
            blobs::note_place(connection, &blob.digest, &reference.registry, &reference.repository)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// What a blob is called in the manifest of this format.
fn media_type(format: Format, compression: Option<Compression>) -> &'static str {
    match (format, compression) {
        (Format::Oci, None) => "application/vnd.oci.image.layer.v1.tar",
        (Format::Oci, Some(Compression::Gzip)) => "application/vnd.oci.image.layer.v1.tar+gzip",
        (Format::Oci, Some(Compression::Zstd)) => "application/vnd.oci.image.layer.v1.tar+zstd",
        (Format::Docker, None) => "application/vnd.docker.image.rootfs.diff.tar",
        (Format::Docker, Some(Compression::Gzip)) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        (Format::Docker, Some(Compression::Zstd)) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
    }
}

/// By the end of its media type.
fn compression_of(blob: &LayerBlob) -> Option<Compression> {
    match &blob.media_type {
        gzip if gzip.ends_with("gzip") => Some(Compression::Gzip),
        zstd if zstd.ends_with("zstd") => Some(Compression::Zstd),
        _ => None,
    }
}
