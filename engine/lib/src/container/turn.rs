//! One command at a time changes a container.
//!
//! `<run>/turns` is one file for all containers, with a byte for each (fcntl(2), `F_OFD_SETLK`): there is no file a
//! container to make, to race for or to leave behind. Whoever has a turn never waits for the monitor's lock meanwhile:
//! the monitor takes the turn itself to remove a container that has ended.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use ketch_sys::lock::{Kind, lock, try_lock};

use super::FileError;
use crate::Paths;

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _file: File,
}

impl Turn {
    /// Waits for whoever has the turn.
    pub(crate) fn take(paths: &Paths, id: &str) -> Result<Turn, FileError> {
        let file = open(paths)?;
        lock(&file, Kind::Exclusive, byte(id)).map_err(io::Error::from).map_err(locking(paths))?;
        Ok(Turn { _file: file })
    }

    /// None: somebody else has it.
    pub(crate) fn try_take(paths: &Paths, id: &str) -> Result<Option<Turn>, FileError> {
        let file = open(paths)?;
        let taken =
            try_lock(&file, Kind::Exclusive, byte(id)).map_err(io::Error::from).map_err(locking(paths))?;
        Ok(taken.then_some(Turn { _file: file }))
    }
}

/// 60 bits of the id; two containers that share them would only wait for each other.
fn byte(id: &str) -> Range<i64> {
    let start = id.get(..15).and_then(|digits| i64::from_str_radix(digits, 16).ok()).unwrap_or(0);
    start..start + 1
}

fn open(paths: &Paths) -> Result<File, FileError> {
    let path = paths.run.join("turns");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    match options.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&paths.run);
            made.map_err(FileError::at("make the directory", &paths.run))?;
            options.open(&path).map_err(FileError::at("open", &path))
        }
        opened => opened.map_err(FileError::at("open", &path)),
    }
}

fn locking(paths: &Paths) -> impl FnOnce(io::Error) -> FileError {
    let path = paths.run.join("turns");
    move |source| FileError { step: "lock", path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_for_each_container() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { root: dir.path().into(), run: dir.path().join("run/ketch") };
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let held = Turn::take(&paths, &a).unwrap();
        assert!(Turn::try_take(&paths, &a).unwrap().is_none());
        assert!(Turn::try_take(&paths, &b).unwrap().is_some());
        drop(held);
        assert!(Turn::try_take(&paths, &a).unwrap().is_some());
    }
}
