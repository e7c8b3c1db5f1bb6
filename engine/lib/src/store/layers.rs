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

/// What is needed to write the layer's tar again; of some layers there is none.
pub(crate) fn split_path(paths: &Paths, diff_id: &str) -> PathBuf {
    paths.splits().join(hex(diff_id))
}

/// Where it is as long as the layer is in staging.
pub(crate) fn staged_split(staging: &Path, diff_id: &str) -> PathBuf {
    staging.join(format!("{}.split", hex(diff_id)))
}

/// Moves a synced layer from staging into place. That it is there already is fine: it is the same one.
pub(crate) fn publish(paths: &Paths, staging: &Path, diff_id: &str) -> Result<(), StoreError> {
    let split = split_path(paths, diff_id);
    match fs::rename(staged_split(staging, diff_id), &split) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => result.map_err(|error| StoreError::io("create", &split, error))?,
    }
    let staged = &staging.join(hex(diff_id));
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
    for (dir, suffix) in [(paths.layers(), ""), (paths.splits(), ".split"), (paths.mapped(), "")] {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError::io("read", &dir, error)),
        };
        for entry in entries {
            let name = entry.map_err(|error| StoreError::io("read", &dir, error))?.file_name();
            // A copy for other ids has those behind its layer's name.
            let layer = name.to_str().map(|name| name.split_once('-').map_or(name, |(layer, _)| layer));
            if layer.is_some_and(|layer| used.contains(layer)) {
                continue;
            }
            let path = dir.join(&name);
            let mut retired = name.clone();
            retired.push(suffix);
            fs::rename(&path, staging.path().join(retired))
                .map_err(|error| StoreError::io("remove", &path, error))?;
        }
    }
    Ok(())
}
