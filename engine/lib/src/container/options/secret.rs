//! `--secret`.

use serde::{Deserialize, Serialize};

/// A secret that the container is given. Its copy is in the container's directory, by its place in [`Options`](super::Options).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its own, once the container is created; before, what it was asked for by.
    pub name: String,
    /// Empty before.
    pub id: String,
    pub place: SecretPlace,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretPlace {
    File {
        /// Absolute.
        path: String,
        uid: u32,
        gid: u32,
        /// Permission bits.
        mode: u32,
    },
    /// A variable's name.
    Variable(String),
}

impl Secret {
    /// In the container's directory.
    pub(crate) const DIRECTORY: &str = "secrets";
}
