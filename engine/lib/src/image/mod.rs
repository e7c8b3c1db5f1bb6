//! Images: from a registry or an archive into the store, by name and by id.

pub use oci_spec::image::ImageConfiguration;

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
