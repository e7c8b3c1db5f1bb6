//! The last step of every way into the store: synced layers get their names, then the image its row.

use nix::unistd::syncfs;

use super::ImageConfiguration;
use super::layer::LayerError;
use super::progress::Progress;
use crate::Engine;
use crate::state::images::{Layer, Row};
use crate::state::{self, images};
use crate::store::StoreError;
use crate::store::layers::{hex, layer_dir, publish};
use crate::store::staging::Staging;

/// What can stop any of these ways.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Stages layers with `fetch` until the store and `staging` have all of `diff_ids`, then enters the image.
///
/// `row` gets the layers, one for each diff id. Killed at any moment before the end this leaves no image, and at most layers that are
/// whole and that the next removal finds unused.
pub(crate) fn import<E: From<ImportError>>(
    engine: &Engine,
    staging: &Staging,
    diff_ids: &[String],
    row: impl Fn(Vec<Layer>) -> Row,
    mut fetch: impl FnMut(&[String]) -> Result<Vec<Layer>, E>,
) -> Result<String, E> {
    let mut staged: Vec<Layer> = Vec::new();
    loop {
        let known = known(engine, diff_ids).map_err(ImportError::State)?;
        let missing = missing(diff_ids, &known, &staged);
        staged.extend(fetch(&missing)?);
        let size =
            |diff_id: &String| staged.iter().chain(&known).find(|layer| layer.diff_id == *diff_id).cloned();
        let row = row(diff_ids.iter().filter_map(size).collect());
        if commit(engine, staging, &staged, &row)? {
            return Ok(row.id);
        }
        // Another command has removed a layer that was there; it is fetched like the others. What has left staging for
        // the store is the store's now, and may be removed from it as well.
        staged.retain(|layer| staging.path().join(hex(&layer.diff_id)).exists());
    }
}

/// Whether all layers were there. The image is entered only then.
fn commit(engine: &Engine, staging: &Staging, staged: &[Layer], row: &Row) -> Result<bool, ImportError> {
    if !staged.is_empty() {
        syncfs(staging.fd()).map_err(|errno| StoreError::errno("sync", staging.path(), errno))?;
    }
    // Layers are named and checked under the write lock: removal retires unused ones under the same.
    let entered =
        engine.db.write("enter an image", |connection| match settle(engine, staging, staged, row) {
            Ok(true) => images::insert(connection, row).map(|()| Ok(true)),
            other => Ok(other),
        })?;
    Ok(entered?)
}

/// Moves the staged layers into place; whether the store now has all.
fn settle(engine: &Engine, staging: &Staging, staged: &[Layer], row: &Row) -> Result<bool, StoreError> {
    let layers = engine.paths.layers();
    for Layer { diff_id, .. } in staged {
        publish(&engine.paths, staging.path(), diff_id)?;
    }
    if !staged.is_empty() {
        // The names have to be as durable as the row that refers to them.
        std::fs::File::open(&layers)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| StoreError::io("sync", &layers, error))?;
    }
    Ok(row.layers.iter().all(|layer| layer_dir(&engine.paths, &layer.diff_id).exists()))
}

/// Which of `diff_ids` the store has. A layer that no image uses may be on its way out, so it does not count.
fn known(engine: &Engine, diff_ids: &[String]) -> Result<Vec<Layer>, state::Error> {
    let mut known = Vec::new();
    for diff_id in diff_ids {
        let size = engine.db.read("look up a layer", |connection| images::layer_size(connection, diff_id))?;
        if let Some(size) = size.filter(|_| layer_dir(&engine.paths, diff_id).exists()) {
            known.push(Layer { diff_id: diff_id.clone(), size });
        }
    }
    Ok(known)
}

/// Those of an image's `layers` that are `missing`, each once and with its diff id: the largest first, so that it is not what
/// all wait for at the end.
pub(crate) fn to_fetch<'a, L>(
    layers: &'a [L],
    diff_ids: &'a [String],
    missing: &[String],
    progress: &mut dyn FnMut(Progress),
    digest_and_size: impl Fn(&'a L, &'a String) -> (&'a str, u64),
) -> Vec<(&'a L, &'a String)> {
    let mut found: Vec<(&L, &String)> = Vec::new();
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let digest = digest_and_size(layer, diff_id).0.to_owned();
        if !missing.contains(diff_id) {
            progress(Progress::Present(digest));
        } else if !found.iter().any(|(_, other)| *other == diff_id) {
            progress(Progress::Copying(digest));
            found.push((layer, diff_id));
        }
    }
    found.sort_by_key(|(layer, diff_id)| std::cmp::Reverse(digest_and_size(layer, diff_id).1));
    found
}

/// What is neither in the store nor in staging, each once.
fn missing(diff_ids: &[String], known: &[Layer], staged: &[Layer]) -> Vec<String> {
    let mut missing: Vec<String> = Vec::new();
    for diff_id in diff_ids {
        let is_there = known.iter().chain(staged).any(|layer| layer.diff_id == *diff_id);
        if !is_there && !missing.contains(diff_id) {
            missing.push(diff_id.clone());
        }
    }
    missing
}

/// Diff ids of a configuration, checked.
pub(crate) fn diff_ids(config: &ImageConfiguration) -> Result<Vec<String>, super::descriptor::DocumentError> {
    let diff_ids = config.rootfs().diff_ids();
    match diff_ids.iter().find(|diff_id| !super::reference::is_digest(diff_id)) {
        Some(bad) => Err(super::descriptor::DocumentError::Digest(bad.clone())),
        None => Ok(diff_ids.clone()),
    }
}
