//! The layer store: `layers/<hex diff id>/` holds one extracted layer, overlay whiteouts included.
//!
//! `splits/<hex diff id>` has what is needed to write its tar again: see [`split`].
//!
//! `mapped/` has copies for other ids: see [`mod@shifted`].
//!
//! A layer is extracted into `tmp/`, checked against its digest and diff id, synced, and renamed into place: what has a
//! name below `layers/` is whole. What no image in the database refers to is garbage.

pub(crate) mod changes;
pub(crate) mod entries;
pub(crate) mod extract;
pub(crate) mod layers;
mod mapped;
mod overlay;
pub(crate) mod pack;
mod shifted;
pub(crate) mod split;
pub(crate) mod staging;

use std::io;
use std::path::{Path, PathBuf};

pub use changes::{Change, Kind as ChangeKind};
pub use layers::layer_dir;
pub(crate) use mapped::mapped_overlay;
pub use overlay::overlay;
pub(crate) use overlay::{merged, overlay_of};
pub use shifted::ShiftError;
pub(crate) use shifted::shifted;

/// A step on the store's own files that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {}", path.display(), cause(error))]
pub struct StoreError {
    action: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, error: io::Error) -> StoreError {
        StoreError { action, path: path.to_owned(), error }
    }

    pub(crate) fn errno(action: &'static str, path: &Path, errno: ketch_sys::Errno) -> StoreError {
        StoreError::io(action, path, errno.into())
    }
}

/// The kernel's words for an error, without Rust's "(os error 28)".
pub(crate) fn cause(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => ketch_sys::Errno::from_raw(errno).desc().to_lowercase(),
        None => error.to_string(),
    }
}
