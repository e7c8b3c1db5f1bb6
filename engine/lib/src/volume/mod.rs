//! Volumes: directories that outlive the containers that use them. One verb a file.
//!
//! A row comes before its directory and goes before it. Who makes, fills or removes a directory has the lock on
//! `volumes/`, so that a directory without a row is what somebody was killed over, and nobody's.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::Paths;
use crate::container::FileError;

pub mod archive;
pub mod create;
mod fill;
pub mod filter;
pub mod find;
pub mod prune;
pub mod remove;

pub use crate::state::volumes::Volume;
pub use create::{CreateError, create};
pub use fill::FillError;
pub(crate) use fill::fill;
pub use find::{FindError, find};
pub(crate) use remove::remove_unused;
pub use remove::{RemoveError, remove};

/// What the containers see of the volume.
pub fn mount_point(paths: &Paths, name: &str) -> PathBuf {
    paths.volumes().join(name).join("_data")
}

/// Held until dropped.
#[derive(Debug)]
struct Lock {
    _file: File,
}

impl Lock {
    fn take(paths: &Paths) -> Result<Lock, FileError> {
        let path = paths.volumes();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&path)
            .map_err(FileError::at("make the directory", &path))?;
        let file = File::open(&path).map_err(FileError::at("open", &path))?;
        file.lock().map_err(FileError::at("lock", &path))?;
        Ok(Lock { _file: file })
    }
}
