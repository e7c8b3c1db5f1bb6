//! Images: from a registry or an archive into the store, by name and by id.

mod descriptor;
mod digest;
mod import;
mod layer;
pub mod load;
mod parallel;
mod progress;
pub mod pull;
pub mod reference;
pub mod registry;

pub use descriptor::{DocumentError, Platform};
pub use import::ImportError;
pub use layer::LayerError;
pub use oci_spec::image::ImageConfiguration;
pub use progress::Progress;

/// An image in the store.
#[derive(Debug, Clone)]
pub struct Image {
    /// Hex sha256 of the configuration, without `sha256:`.
    pub id: String,
    /// `sha256:…` of the manifest.
    pub digest: String,
    /// `docker.io/library/debian:12` and the like; none for an untagged image.
    pub names: Vec<String>,
    /// `name@sha256:…` as pulled.
    pub repo_digests: Vec<String>,
    /// Uncompressed bytes of all layers.
    pub size: u64,
    /// Diff ids, lowest first, `sha256:…`; `store::layer_dir` finds the directory.
    pub layers: Vec<String>,
    pub config: ImageConfiguration,
}
