//! Containers, one verb a file.
//!
//! Three things keep a container's changes apart, all of them the kernel's, so that none outlives its holder:
//! the [`turn`] (one command at a time starts or removes a container), the monitor's lock (held as long as the
//! container lives) and the database (a name is given once).
//!
//! The row comes before and goes after everything else of a container: what `kill -9` leaves behind has a name by
//! which it can be removed.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub mod account;
pub mod checkpoint;
pub mod cleanup;
pub mod commit;
pub mod copy;
pub mod create;
pub mod diff;
pub mod duplicate;
pub mod exec;
pub mod export;
pub mod filter;
pub mod health;
mod inside;
pub mod inspect;
pub mod join;
pub mod kill;
pub mod mount;
pub(crate) mod name;
pub mod options;
pub mod pause;
mod pieces;
pub mod policy;
pub mod port;
mod prepare;
pub mod prune;
pub mod remove;
pub mod rename;
pub mod restart;
pub mod restore;
pub(crate) mod root;
pub mod service;
pub mod size;
pub mod start;
pub mod stats;
pub mod status;
pub mod stop;
pub mod sweep;
pub mod tidy;
pub mod top;
pub(crate) mod turn;
pub mod update;
mod volumes_from;
pub mod wait;

pub(crate) use root::read_file as read_in_root;
pub use status::{Status, status};

/// A step on a file or directory of ketch's own that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {path}")]
pub struct FileError {
    pub step: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: `fs::write(&path, x).map_err(FileError::at("write", &path))?`.
    pub(crate) fn at(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
        move |source| FileError { step, path: path.to_owned(), source }
    }
}

/// Makes a directory of ketch's own, with its parents, that nobody else sees into.
pub(crate) fn make_private(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(FileError::at("make the directory", path))
}

/// The log of a container, in its directory.
pub fn log_path(dir: &Path) -> PathBuf {
    dir.join("ctr.log")
}
