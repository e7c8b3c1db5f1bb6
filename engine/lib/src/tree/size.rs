//! What a tree holds.

use std::fs;
use std::io;
use std::path::Path;

/// Bytes of all that is below `path` but directories, as their lengths say; 0 when there is nothing at `path`.
///
/// What goes meanwhile has no size.
pub(crate) fn size(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut dirs = vec![path.to_owned()];
    while let Some(dir) = dirs.pop() {
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            // Of the entry itself, not of what it points to.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                dirs.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    Ok(bytes)
}
