//! `layers/`: what has a name there is whole and synced.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::staging::Staging;
use crate::Paths;

/// Directory of the layer with this diff id, `sha256:…`. It exists for every layer of every image in the database.
pub fn layer_dir(paths: &Paths, diff_id: &str) -> PathBuf {
    paths.layers().join(hex(diff_id))
}

/// The digest's hex digits: the name of a directory or an id.
pub(crate) fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

/// Moves a synced layer from staging into place. That it is there already is fine: it is the same one.
pub(crate) fn publish(paths: &Paths, staged: &Path, diff_id: &str) -> Result<(), StoreError> {
    let target = layer_dir(paths, diff_id);
    match fs::rename(staged, &target) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) =>
        {
            Ok(())
        }
        result => result.map_err(|error| StoreError::io("create", &target, error)),
    }
}

/// Moves each layer that `used` (hex) does not name into staging, with which it is removed.
///
/// The caller holds the database's write lock, so that no other command takes a layer up in between.
pub(crate) fn retire(paths: &Paths, used: &HashSet<String>, staging: &Staging) -> Result<(), StoreError> {
    let layers = paths.layers();
    let entries = match fs::read_dir(&layers) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io("read", &layers, error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| StoreError::io("read", &layers, error))?.file_name();
        if name.to_str().is_some_and(|name| used.contains(name)) {
            continue;
        }
        let path = layers.join(&name);
        fs::rename(&path, staging.path().join(&name))
            .map_err(|error| StoreError::io("remove", &path, error))?;
    }
    Ok(())
}
