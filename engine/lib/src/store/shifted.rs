//! Layers for a user namespace whose ids no mount can show: copies with its ids on disk.
//!
//! `mapped/<hex diff id>-<mapping>`: made by the first container that needs it, and removed with the layer.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use ketch_runtime::plan::ids::{Maps, map_text};
use nix::unistd::syncfs;
use sha2::{Digest, Sha256};
use tar::Builder;

use super::StoreError;
use super::entries::Entries;
use super::extract::extract;
use super::layers::{hex, layer_dir};
use super::pack::{PackError, pack};
use super::staging::Staging;
use crate::Paths;
use crate::userns::Translate;

#[derive(Debug, thiserror::Error)]
pub enum ShiftError {
    #[error("cannot give a layer the container's ids")]
    Pack(#[from] PackError),
    #[error("cannot give a layer the container's ids: {0}")]
    Extract(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The layer with this diff id, and on disk the ids out here of a container with these maps.
pub(crate) fn shifted(paths: &Paths, diff_id: &str, maps: &Maps) -> Result<PathBuf, ShiftError> {
    let path = paths.mapped().join(format!("{}-{}", hex(diff_id), name(maps)));
    if path.exists() {
        return Ok(path);
    }
    let staging = Staging::new(paths)?;
    let failed = |action| {
        let path = staging.path().to_owned();
        move |error| StoreError::io(action, &path, error)
    };
    let layer = layer_dir(paths, diff_id);
    let from = File::open(&layer).map_err(|error| StoreError::io("open", &layer, error))?;
    let mut scratch = staging.scratch()?;
    let mut tar = Builder::new(BufWriter::with_capacity(256 << 10, &scratch));
    pack(from.into(), true, Translate::Outside(maps), &mut tar)?;
    tar.into_inner().and_then(|mut out| out.flush()).map_err(failed("write to"))?;
    scratch.rewind().map_err(failed("read"))?;

    let copy = staging.path().join("layer");
    fs::DirBuilder::new().mode(0o755).create(&copy).map_err(failed("write to"))?;
    let to = File::open(&copy).map_err(failed("open"))?;
    extract(&mut Entries::new(BufReader::new(scratch)), to.into())
        .map_err(|error| ShiftError::Extract(error.to_string()))?;
    syncfs(staging.fd()).map_err(|errno| StoreError::errno("sync", staging.path(), errno))?;
    match fs::rename(&copy, &path) {
        // Somebody else was faster, with the same.
        Err(_) if path.exists() => Ok(path),
        renamed => {
            renamed.map_err(|error| StoreError::io("create", &path, error))?;
            Ok(path)
        }
    }
}

/// Sixteen hex digits.
fn name(maps: &Maps) -> String {
    let text = format!("{}/{}", map_text(&maps.uids), map_text(&maps.gids));
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
