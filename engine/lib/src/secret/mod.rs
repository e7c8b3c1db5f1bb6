//! Secrets: small files that containers are given, and that neither images nor `inspect` show.
//!
//! `secrets/<id>` below the engine's root, mode 0600 in a directory of mode 0700, and a row. The file comes before its row and
//! goes after it: one without a row is what somebody was killed over. A container gets copies of its own when it is created, as
//! with podman: what becomes of the secret later does not change it.

mod create;
mod give;
mod remove;

pub use crate::state::secrets::{FindSecretError, Secret};
pub use create::{CreateError, Options, create};
pub use give::GiveError;
pub(crate) use give::{give, resolve, variables};
pub use remove::{RemoveError, remove};

use std::fs;

use crate::Paths;
use crate::container::FileError;

/// podman's bound: less than this.
pub const MAX_BYTES: usize = 512_000;

/// What is secret about it.
pub fn data(paths: &Paths, id: &str) -> Result<Vec<u8>, FileError> {
    let path = paths.secrets().join(id);
    fs::read(&path).map_err(FileError::at("read the secret", &path))
}
