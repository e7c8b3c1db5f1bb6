//! `volume export` and `volume import`: what is in a volume, as one tar.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use tar::Builder;

use super::{FindError, Lock, find, mount_point};
use crate::container::FileError;
use crate::image::layer;
use crate::store::entries::Entries;
use crate::store::extract::{ExtractError, Plain, extract_plain};
use crate::store::pack::{PackError, pack_as};
use crate::userns::Translate;
use crate::{Engine, state};

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error("cannot write the archive: {}", crate::store::cause(.0))]
    Write(io::Error),
    #[error("cannot read the archive: {0}")]
    NoArchive(String),
    #[error("cannot extract the archive into volume {volume}: {reason}")]
    Extract { volume: String, reason: String },
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Writes all that is in the volume `text`.
pub fn export(engine: &Engine, text: &str, out: impl Write) -> Result<(), ArchiveError> {
    let path = mount_point(&engine.paths, &find(engine, text)?.name);
    let directory = File::open(&path).map_err(FileError::at("open", &path))?;
    let mut tar = Builder::new(BufWriter::with_capacity(256 << 10, out));
    pack_as(&directory.into(), Path::new(""), Translate::Not, &mut tar)?;
    tar.into_inner().and_then(|mut out| out.flush()).map_err(ArchiveError::Write)
}

/// Extracts a tar, compressed or not, into the volume `text`, over what is there. Owners are the tar's; devices are left out.
/// What was extracted before an error stays.
pub fn import(engine: &Engine, text: &str, tar: impl Read) -> Result<(), ArchiveError> {
    let name = find(engine, text)?.name;
    let path = mount_point(&engine.paths, &name);
    let directory = File::open(&path).map_err(FileError::at("open", &path))?;
    let plain = layer::decompress(tar).map_err(|error| match error {
        layer::Fault::Read(error) => ArchiveError::NoArchive(error.to_string()),
        layer::Fault::Format(format) => ArchiveError::NoArchive(format!("it is compressed with {format}")),
    })?;
    let mut entries = Entries::new(plain);
    let how = Plain { below: b"", owner: None, ids: None, overwrite: true };
    extract_plain(&mut entries, directory.into(), &how).map_err(|error| match error {
        ExtractError::Stream(error) => ArchiveError::NoArchive(crate::store::cause(&error)),
        error => ArchiveError::Extract { volume: name.clone(), reason: error.to_string() },
    })?;
    // Whoever writes the archive must not meet a broken pipe before its end.
    entries.finish().map_err(|error| ArchiveError::NoArchive(error.to_string()))?;
    let _lock = Lock::take(&engine.paths)?;
    // It has its content: no image's comes in its place.
    Ok(engine.db.volume_is_filled(&name)?)
}
