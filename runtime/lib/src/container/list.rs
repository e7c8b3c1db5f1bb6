//! `list`: every container below a root.

use std::path::Path;

use super::state::{self, Glance};

/// Hands all states below `root` to `each`, by id; a directory whose state is not yet written or damaged is passed over.
pub fn list(root: &Path, mut each: impl FnMut(&Glance<'_>)) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    for id in ids(root)? {
        if let Ok(state) = state::read(root, &id, &mut buffer) {
            each(&state);
        }
    }
    Ok(())
}

/// The names below `root`, sorted; whether a container is whole is not looked at.
pub fn ids(root: &Path) -> std::io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for entry in root.read_dir()? {
        ids.extend(entry?.file_name().into_string());
    }
    ids.sort_unstable();
    Ok(ids)
}
