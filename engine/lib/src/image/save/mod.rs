//! `save`: from the store into an archive or a directory that other tools read.
//!
//! Four kinds: `docker-archive` (`docker save`, podman's default), `oci-archive` and `oci-dir` (an image layout, in a tar or not),
//! and `docker-dir` (what skopeo calls `dir:`). Every layer is written as the tar that it came as.

pub(super) mod blob;
mod docker;
mod oci;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use blob::Compression;
use nix::errno::Errno;
use serde_json::Value;

use super::compose::NewLayer;
use super::descriptor::DocumentError;
use super::progress::Progress;
use super::reference::{ReferenceError, Short};
use super::{FindError, Image, digest, find};
use crate::Engine;
use crate::events::{Action, Event, Kind};
use crate::state::images::{self, Layer};
use crate::store::StoreError;
use crate::store::layers::hex;
use crate::store::pack::PackError;
use crate::store::staging::Staging;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    DockerArchive,
    OciArchive,
    OciDir,
    DockerDir,
}

/// Where it goes: archives to a stream, the others to a directory that is not there yet.
pub enum Output<'a> {
    Stream(&'a mut dyn Write),
    Directory(&'a Path),
}

impl std::fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Output::Stream(_) => f.write_str("Stream"),
            Output::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    pub format: Format,
    /// More names for the first image, or, for docker's archive, more images.
    pub more: Vec<String>,
    pub more_are_images: bool,
    /// What the first image is called, instead of by the name that it was asked for; in an image layout any text.
    pub names: Option<Vec<String>>,
    /// How layers are compressed; docker's archive has only plain ones, docker's directory none in zstd.
    pub compress: Option<Compression>,
    /// None: the compression's default.
    pub level: Option<u32>,
    /// A directory that has an image already gets this one too (a layout), or instead (docker's).
    pub into_existing: bool,
    /// Where it goes, for the event.
    pub shown: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("cannot write the archive: {}", crate::store::cause(.0))]
    Write(io::Error),
    #[error("cannot write {}: {}", path.display(), crate::store::cause(error))]
    File { path: PathBuf, error: io::Error },
    #[error("layer {layer}: {}", crate::store::cause(error))]
    Layer { layer: String, error: io::Error },
    #[error("layer {layer} has been changed in the store: its tar has digest {actual}")]
    Changed { layer: String, actual: String },
    #[error("the configuration of image {id}")]
    Config { id: String, source: DocumentError },
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    State(#[from] crate::state::Error),
}

/// An image that is ready to be written.
pub(super) struct Saved {
    id: String,
    pub(super) config: Vec<u8>,
    /// `sha256:…` of the configuration.
    pub(super) digest: String,
    /// Complete.
    names: Vec<String>,
    pub(super) layers: Vec<Source>,
}

/// A layer's tar.
pub(super) struct Source {
    pub(super) layer: Layer,
    /// Of a layer that has no record of its tar: packed anew.
    pub(super) packed: Option<NewLayer>,
}

/// Writes the image that `image` stands for, under that name if it is one, and returns the digest of its manifest: of docker's
/// archive, which has none, that of the one that it stands for.
pub fn save(
    engine: &Engine,
    image: &str,
    options: &Options,
    output: Output<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, SaveError> {
    let staging = Staging::new(&engine.paths)?;
    let mut wanted: Vec<(Image, Vec<String>)> = vec![of(engine, image)?];
    if let Some(names) = &options.names {
        wanted[0].1.clone_from(names);
    }
    for more in &options.more {
        if !options.more_are_images {
            wanted[0].1.push(Short::parse(more)?.at("localhost").to_string());
            continue;
        }
        let (image, names) = of(engine, more)?;
        match wanted.iter_mut().find(|(other, _)| other.id == image.id) {
            Some((_, have)) => have.extend(names),
            None => wanted.push((image, names)),
        }
    }
    let mut saved = Vec::new();
    for (image, names) in wanted {
        saved.push(ready(engine, image, names, &|_| true, &staging, progress)?);
    }
    let compress = options.compress.map(|compression| (compression, options.level));
    let digest = match (options.format, output) {
        (Format::DockerArchive, Output::Stream(out)) => docker::archive(engine, &saved, out, progress)?,
        (Format::DockerDir, Output::Directory(path)) => {
            prepare_directory(path, options.into_existing, docker::clear)?;
            docker::directory(engine, &saved[0], path, compress, &staging, progress)?
        }
        (_, Output::Stream(out)) => oci::archive(engine, &saved[0], out, compress, &staging, progress)?,
        (_, Output::Directory(path)) => {
            prepare_directory(path, options.into_existing, oci::is_layout)?;
            oci::directory(engine, &saved[0], path, compress, &staging, progress)?
        }
    };
    for image in &saved {
        let action = if options.names.is_some() { Action::Push } else { Action::Save };
        engine.event(Event::new(Kind::Image, action, &image.id, &options.shown));
    }
    Ok(digest)
}

/// The image and the names that it is saved under: the one that was asked for; all, when it was an id.
fn of(engine: &Engine, text: &str) -> Result<(Image, Vec<String>), SaveError> {
    let image = find(engine, text)?;
    let asked = Short::parse(text).ok().filter(|short| short.digest.is_none());
    let is_asked = |name: &&String| {
        asked.as_ref().is_some_and(|short| {
            let end = format!("{}:{}", short.repository, short.tag.as_deref().unwrap_or("latest"));
            short.at("localhost").to_string() == **name
                || short.at("docker.io").to_string() == **name
                || short.registry.is_none() && name.ends_with(&format!("/{end}"))
        })
    };
    let names = image.names.iter().find(is_asked).cloned().into_iter().collect();
    Ok((image, names))
}

/// `is_needed`: whether the layer at this place is going to be written.
pub(super) fn ready(
    engine: &Engine,
    image: Image,
    names: Vec<String>,
    is_needed: &dyn Fn(usize) -> bool,
    staging: &Staging,
    progress: &mut dyn FnMut(Progress),
) -> Result<Saved, SaveError> {
    let row = engine.db.read("look up an image", |connection| images::get(connection, &image.id))?;
    let row = row.ok_or_else(|| FindError::Unknown(image.id.clone()))?;
    let mut layers = Vec::new();
    for (index, layer) in row.layers.into_iter().enumerate() {
        let packed = match is_needed(index) {
            true => blob::pack_if_unrecorded(&engine.paths, &layer, staging)?,
            false => None,
        };
        if let Some(packed) = &packed {
            progress(Progress::Warning(format!(
                "layer {} has no record of its tar: it is packed anew, as {}",
                layer.diff_id, packed.layer.diff_id
            )));
        }
        let layer = packed.as_ref().map_or(layer, |packed| packed.layer.clone());
        layers.push(Source { layer, packed });
    }
    let config = match layers.iter().any(|source| source.packed.is_some()) {
        false => image.raw_config,
        true => with_diff_ids(&image, &layers)?,
    };
    let digest = digest::of(&config);
    Ok(Saved { id: image.id, config, digest, names, layers })
}

fn with_diff_ids(image: &Image, layers: &[Source]) -> Result<Vec<u8>, SaveError> {
    let parsed: Result<Value, _> = serde_json::from_slice(&image.raw_config);
    let mut config = parsed.map_err(|error| SaveError::Config {
        id: image.id.clone(),
        source: DocumentError::Json(error.to_string()),
    })?;
    config["rootfs"]["diff_ids"] = layers.iter().map(|source| source.layer.diff_id.clone()).collect();
    Ok(config.to_string().into_bytes())
}

/// Makes the directory. What is in one that is there must be what `accept` takes, if anything may be.
fn prepare_directory(
    path: &Path,
    into_existing: bool,
    accept: fn(&Path) -> io::Result<bool>,
) -> Result<(), SaveError> {
    let failed = |error| SaveError::File { path: path.to_owned(), error };
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_empty = std::fs::read_dir(path).map_err(failed)?.next().is_none();
            if is_empty || into_existing && accept(path).map_err(failed)? {
                return Ok(());
            }
            Err(failed(io::Error::from(Errno::ENOTEMPTY)))
        }
        made => made.map_err(failed),
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), SaveError> {
    std::fs::write(path, bytes).map_err(|error| SaveError::File { path: path.to_owned(), error })
}

/// The hex digits of a digest name a file.
fn name_of(digest: &str) -> &str {
    hex(digest)
}
