//! `load`: from an archive into the store.
//!
//! Told apart by what is in them: `oci-archive` (an OCI image layout in a tar), `docker-archive` (`docker save`), and, for
//! directories, `oci-dir` (the layout) and `docker-dir` (skopeo's `dir:`). An archive that is both, as newer dockers write, is read as the first, as podman does.

mod archive;
mod directory;
pub(super) mod docker;
mod oci;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use archive::Archive;

use super::descriptor::DocumentError;
use super::import::{ImportError, import, to_fetch};
use super::layer::{self, Expected, Fault};
use super::progress::Progress;
use super::reference::ReferenceError;
use super::transport::{LocalKind, LocalPlace};
use super::{ImageConfiguration, parallel};
use crate::Engine;
use crate::events::{Action, Event, Kind};
use crate::state::images::{Layer, Row};
use crate::store::StoreError;
use crate::store::staging::Staging;

/// Where an archive comes from.
pub enum Source<'a> {
    File(&'a Path),
    /// Copied to the store's file system first: an archive's table of contents is at its end.
    Stream(&'a mut dyn Read),
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::File(path) => f.debug_tuple("File").field(path).finish(),
            Source::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// An image as the archive describes it, nothing of it taken yet.
struct Found {
    diff_ids: Vec<String>,
    /// In the order of `diff_ids`.
    layers: Vec<FoundLayer>,
    /// Of the configuration.
    digest: String,
    names: Vec<String>,
    /// All but the layers.
    row: Box<dyn Fn(Vec<Layer>) -> Row>,
}

struct FoundLayer {
    member: String,
    /// Digest and size where a manifest vouches for them.
    blob: Option<(String, u64)>,
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read {}: {}", path.display(), crate::store::cause(error))]
    File { path: PathBuf, error: io::Error },
    #[error("cannot read the archive: {}", crate::store::cause(error))]
    Archive { error: io::Error },
    #[error(
        "it is neither an oci-archive or oci-dir (no index.json) nor a docker-archive or docker-dir (no manifest.json)"
    )]
    Format,
    #[error("the archive is compressed with {0}, which is not supported")]
    Compression(&'static str),
    #[error("the archive has no {0}")]
    Missing(String),
    #[error("{member} in the archive")]
    Document { member: String, source: DocumentError },
    #[error("{member} in the archive: digest mismatch: its bytes have {actual}")]
    Digest { member: String, actual: String },
    #[error("the archive holds no image")]
    Empty,
    #[error("the archive holds no image of the name {0}")]
    NoName(String),
    /// podman's words.
    #[error("more than one image in oci, choose an image: {}", .0.join(", "))]
    Several(Vec<String>),
    #[error("a name in the archive")]
    Name(#[from] ReferenceError),
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Loads every image of the archive. Returns their names, or `sha256:…` of the configuration of one without a name.
///
/// An image that fails leaves nothing of itself; the ones before it stay.
pub fn load(
    engine: &Engine,
    source: Source<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<String>, LoadError> {
    let name = match &source {
        Source::File(path) => path.display().to_string(),
        Source::Stream(_) => "-".to_owned(),
    };
    let staging = Staging::new(&engine.paths).map_err(ImportError::from)?;
    let archive = match source {
        Source::File(path) if path.is_dir() => Archive::of_directory(path),
        source => Archive::open(plain_file(source, &staging)?),
    };
    let archive = archive.map_err(|error| LoadError::Archive { error })?;
    let mut loaded = Vec::new();
    for found in find(&archive)? {
        let id = take(engine, &archive, &staging, &found, progress)?;
        engine.event(Event::new(Kind::Image, Action::LoadFromArchive, &id, &name));
        if found.names.is_empty() {
            loaded.push(found.digest);
        } else {
            loaded.extend(found.names);
        }
    }
    if loaded.is_empty() { Err(LoadError::Empty) } else { Ok(loaded) }
}

/// Takes the image that `place` names out of an archive or a directory, or each of a docker-archive, and returns the ids.
pub fn pull_local(
    engine: &Engine,
    place: &LocalPlace,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<String>, LoadError> {
    let staging = Staging::new(&engine.paths).map_err(ImportError::from)?;
    let archive = match place.kind {
        LocalKind::OciDir | LocalKind::DockerDir => Archive::of_directory(&place.path)
            .map_err(|error| LoadError::File { path: place.path.clone(), error })?,
        LocalKind::OciArchive | LocalKind::DockerArchive => {
            let file = plain_file(Source::File(&place.path), &staging)?;
            Archive::open(file).map_err(|error| LoadError::Archive { error })?
        }
    };
    let mut found = match place.kind {
        // podman's: whoever names a directory's image means docker.io's.
        LocalKind::OciDir => oci::find_one(&archive, place.name.as_deref(), "docker.io")?,
        LocalKind::OciArchive => oci::find_one(&archive, place.name.as_deref(), "localhost")?,
        LocalKind::DockerDir => directory::find(&archive)?,
        LocalKind::DockerArchive => docker::find(&archive)?,
    };
    if let Some(name) = place.name.as_ref().filter(|_| place.kind == LocalKind::DockerArchive) {
        found.retain(|found| found.names.contains(name));
        found.iter_mut().for_each(|found| found.names.retain(|other| other == name));
        if found.is_empty() {
            return Err(LoadError::NoName(name.clone()));
        }
    }
    if found.is_empty() {
        return Err(LoadError::Empty);
    }
    let mut ids = Vec::new();
    for found in found {
        let id = take(engine, &archive, &staging, &found, progress)?;
        let shown = place.path.display().to_string();
        engine.event(Event::new(Kind::Image, Action::Pull, &id, &shown));
        ids.push(id);
    }
    Ok(ids)
}

fn find(archive: &Archive) -> Result<Vec<Found>, LoadError> {
    if archive.stream("index.json").is_some() && archive.stream("oci-layout").is_some() {
        oci::find(archive)
    } else if archive.stream("version").is_some() && archive.stream("manifest.json").is_some() {
        directory::find(archive)
    } else if archive.stream("manifest.json").is_some() {
        docker::find(archive)
    } else {
        Err(LoadError::Format)
    }
}

fn take(
    engine: &Engine,
    archive: &Archive,
    staging: &Staging,
    found: &Found,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, LoadError> {
    import(engine, staging, &found.diff_ids, &found.row, |missing| {
        let jobs = to_fetch(&found.layers, &found.diff_ids, missing, progress, |layer, diff_id| {
            let digest = layer.blob.as_ref().map_or(diff_id, |(digest, _)| digest);
            (digest.as_str(), archive.stream(&layer.member).map_or(0, |stream| stream.length()))
        });
        let staged = parallel::run(&jobs, |(layer, diff_id)| -> Result<Layer, LoadError> {
            let stream =
                archive.stream(&layer.member).ok_or_else(|| LoadError::Missing(layer.member.clone()))?;
            let blob = layer.blob.as_ref().map(|(digest, _)| digest.as_str());
            let size = layer.blob.as_ref().map(|(_, size)| *size);
            let staged = layer::stage(stream, &Expected { blob, size, diff_id }, staging);
            Ok(staged.map_err(ImportError::from)?)
        })?;
        progress(Progress::Config(found.digest.clone()));
        progress(Progress::Writing);
        Ok(staged)
    })
}

/// The archive as a file that can be read anywhere: itself, or an uncompressed copy.
fn plain_file(source: Source<'_>, staging: &Staging) -> Result<File, LoadError> {
    match source {
        Source::Stream(stream) => copy(stream, staging),
        Source::File(path) => {
            let failed = |error| LoadError::File { path: path.to_owned(), error };
            let mut file = File::open(path).map_err(failed)?;
            if !file.metadata().map_err(failed)?.is_file() {
                return copy(&mut file, staging);
            }
            let mut magic = [0; 6];
            let count = file.read(&mut magic).map_err(failed)?;
            file.rewind().map_err(failed)?;
            if layer::is_plain(&magic[..count]) { Ok(file) } else { copy(&mut file, staging) }
        }
    }
}

fn copy(source: &mut dyn Read, staging: &Staging) -> Result<File, LoadError> {
    let failed = |error| LoadError::Archive { error };
    let mut plain = layer::decompress(source).map_err(|fault| match fault {
        Fault::Read(error) => LoadError::Archive { error },
        Fault::Format(format) => LoadError::Compression(format),
    })?;
    let mut file = staging.scratch().map_err(ImportError::from)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match plain.read(&mut buffer).map_err(failed)? {
            0 => break,
            count => io::Write::write_all(&mut file, &buffer[..count])
                .map_err(|error| StoreError::io("write a copy of the archive to", staging.path(), error))
                .map_err(ImportError::from)?,
        }
    }
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// A document of the archive, whole.
fn document(archive: &Archive, member: &str) -> Result<Vec<u8>, LoadError> {
    let bytes = archive.read(member).ok_or_else(|| LoadError::Missing(member.to_owned()))?;
    bytes.map_err(|error| LoadError::Archive { error })
}

fn configuration(bytes: &[u8], member: &str, layers: usize) -> Result<Vec<String>, LoadError> {
    let invalid = |source| LoadError::Document { member: member.to_owned(), source };
    let config: ImageConfiguration =
        serde_json::from_slice(bytes).map_err(|error| invalid(DocumentError::Json(error.to_string())))?;
    let diff_ids = super::import::diff_ids(&config).map_err(invalid)?;
    if diff_ids.len() != layers {
        return Err(invalid(DocumentError::Layers { layers, diff_ids: diff_ids.len() }));
    }
    Ok(diff_ids)
}
