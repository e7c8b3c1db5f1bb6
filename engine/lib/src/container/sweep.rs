//! Directories that no row names: what a power cut can leave, which may lose the row and keep the files.

use std::fs;

use super::FileError;
use super::remove::RemoveError;
use crate::{Engine, tree};

/// Removes them. A directory is made after its row, so one that was there before the rows were read and has none is
/// nobody's.
pub fn sweep(engine: &Engine) -> Result<(), RemoveError> {
    let mut found = Vec::new();
    for parent in [engine.paths.container(""), engine.paths.container_run("")] {
        let list = match fs::read_dir(&parent) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            list => list.map_err(FileError::at("list", &parent))?,
        };
        for entry in list {
            found.push(entry.map_err(FileError::at("list", &parent))?);
        }
    }
    for entry in found {
        let name = entry.file_name();
        if name.to_str().is_some_and(|id| !matches!(engine.db.has_container(id), Ok(false))) {
            continue;
        }
        tree::remove(&entry.path())?;
    }
    Ok(())
}
