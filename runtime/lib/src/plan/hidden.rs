//! `linux.maskedPaths` and `linux.readonlyPaths`.

use std::path::{Path, PathBuf};

use super::Invalid;
use crate::spec::Linux;

/// Paths below the container's root, absolute and clean; those that do not exist are passed over. As in runc and crun, a relative
/// one starts at the root as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden {
    pub masked: Vec<PathBuf>,
    pub read_only: Vec<PathBuf>,
}

pub(super) fn plan(linux: &Linux) -> Result<Hidden, Invalid> {
    Ok(Hidden {
        masked: paths("linux.maskedPaths", linux.masked_paths().as_deref())?,
        read_only: paths("linux.readonlyPaths", linux.readonly_paths().as_deref())?,
    })
}

fn paths(field: &str, paths: Option<&[String]>) -> Result<Vec<PathBuf>, Invalid> {
    let clean = |path: &String| {
        if path.is_empty() || path.contains('\0') {
            return Err(Invalid::new(field, format!("{path:?} is no path")));
        }
        super::clean(Path::new(path)).ok_or_else(|| Invalid::new(field, format!("{path:?} is not UTF-8")))
    };
    paths.unwrap_or_default().iter().map(clean).collect()
}
