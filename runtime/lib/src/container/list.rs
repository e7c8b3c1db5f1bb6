//! `list`: every container below a root.

use std::path::Path;

use super::state::State;

/// Reads all states below `root`, by id; a directory whose state is not yet written or damaged is passed over.
pub fn list(root: &Path) -> std::io::Result<Vec<State>> {
    Ok(ids(root)?.iter().filter_map(|id| State::load(root, id).ok()).collect())
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
