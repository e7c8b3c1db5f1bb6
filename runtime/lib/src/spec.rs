//! `config.json`: reading it, and the types it is made of.

use std::path::{Path, PathBuf};

pub use oci_spec::runtime::*;

/// Why a bundle's `config.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a valid OCI configuration")]
    Parse { path: PathBuf, source: serde_json::Error },
}

/// Reads and parses `path`, usually `<bundle>/config.json`, in one pass.
pub fn load(path: &Path) -> Result<Spec, LoadError> {
    let text = std::fs::read(path).map_err(|source| LoadError::Read { path: path.into(), source })?;
    serde_json::from_slice(&text).map_err(|source| LoadError::Parse { path: path.into(), source })
}
