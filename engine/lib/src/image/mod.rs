//! Images: from a registry or an archive into the store, by name and by id.

mod builtin;
pub(crate) mod change;
pub mod compose;
mod descriptor;
pub(crate) mod digest;
pub mod filter;
mod find;
pub mod history;
mod import;
pub mod index;
pub mod inspect;
pub(crate) mod layer;
mod list;
pub mod load;
pub(crate) mod merge;
pub mod mount;
mod parallel;
pub mod policy;
mod progress;
pub mod pull;
pub mod push;
pub mod reference;
pub mod registries;
pub mod registry;
pub mod remove;
pub mod save;
pub mod search;
mod tag;
pub mod tarball;
pub mod transport;
pub mod tree;

pub use builtin::{BuiltinError, import_builtin};
pub use change::ChangeError;
pub use descriptor::{DocumentError, Platform};
pub use find::{FindError, find};
pub use import::ImportError;
pub use layer::LayerError;
pub use list::list;
pub use merge::MergeError;
pub use oci_spec::image::ImageConfiguration;
pub use progress::Progress;
pub use tag::{TagError, tag, untag};

use crate::state::images::Row;

/// An image in the store.
#[derive(Debug, Clone)]
pub struct Image {
    /// Hex sha256 of the configuration, without `sha256:`.
    pub id: String,
    /// `sha256:…` of the manifest.
    pub digest: String,
    /// `docker.io/library/debian:12` and the like, the latest first; `name@sha256:…` for what was pulled so; none for
    /// an untagged image.
    pub names: Vec<String>,
    /// `name@sha256:…` for each repository that has a name for it.
    pub repo_digests: Vec<String>,
    /// Uncompressed bytes of all layers, and of manifest and configuration; the manifest counts twice, for podman keeps two of it.
    pub size: u64,
    /// Diff ids, lowest first, `sha256:…`; `store::layer_dir` finds the directory.
    pub layers: Vec<String>,
    pub config: ImageConfiguration,
    /// The configuration as it came, with what [`ImageConfiguration`] does not know (a health check, say).
    pub raw_config: Vec<u8>,
    pub raw_manifest: Vec<u8>,
}

impl Image {
    /// None when the configuration is none; it was checked when the image came in.
    fn from_row(row: Row) -> Option<Image> {
        let config = serde_json::from_slice(&row.config).ok()?;
        let size = row.layers.iter().map(|layer| layer.size).sum::<u64>();
        Some(Image {
            size: size + (2 * row.manifest.len() + row.config.len()) as u64,
            repo_digests: repo_digests(&row),
            layers: row.layers.into_iter().map(|layer| layer.diff_id).collect(),
            id: row.id,
            digest: row.digest,
            names: row.names,
            config,
            raw_config: row.config,
            raw_manifest: row.manifest,
        })
    }
}

fn repo_digests(row: &Row) -> Vec<String> {
    let mut repositories: Vec<&str> = row.names.iter().map(|name| reference::repository_of(name)).collect();
    repositories.sort_unstable();
    repositories.dedup();
    let with_digests = |repository| row.digests.iter().map(move |digest| format!("{repository}@{digest}"));
    repositories.into_iter().flat_map(with_digests).collect()
}
