//! What a container has written to its root.

use std::io;

use super::FileError;
use crate::Engine;
use crate::state::containers::Record;
use crate::tree;

/// Bytes in the container's own layer.
pub fn size(engine: &Engine, record: &Record) -> Result<u64, FileError> {
    let upper = engine.paths.container(&record.id).join("upper");
    tree::size(&upper).map_err(|source: io::Error| FileError { step: "look into", path: upper, source })
}
