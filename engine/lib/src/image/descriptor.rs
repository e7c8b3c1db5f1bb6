//! Manifests, indexes and what they point to: OCI's (image-spec) and docker's (distribution, "Image Manifest Version 2,
//! Schema 2"), which differ in nothing but the names of their media types.

use serde::{Deserialize, Serialize};

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Bound on a manifest and on a configuration, which are held in memory; other engines' too.
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

/// What an image is built for. `amd64`, `arm64` and the like: Go's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A manifest or an index.
#[derive(Debug)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// Why a document is no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("not valid JSON of its kind: {0}")]
    Json(String),
    #[error("unsupported media type {0:?}: not a manifest of an OCI image or of a docker image of schema 2")]
    MediaType(String),
    #[error("it is an artifact with a configuration of type {0:?}, not a container image")]
    Artifact(String),
    #[error("layer of type {0:?} is not supported")]
    LayerType(String),
    #[error("digest {0:?} is not sha256: and 64 hex digits")]
    Digest(String),
    #[error("{layers} layers, but the configuration has {diff_ids} diff ids")]
    Layers { layers: usize, diff_ids: usize },
    #[error("an index inside an index is not supported")]
    NestedIndex,
    #[error("no image for platform {0}")]
    Platform(Platform),
}

impl Document {
    /// Parses `bytes`. What they are is said by their own `mediaType`, else by the transport's `content_type`.
    pub(crate) fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Document, DocumentError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            media_type: Option<String>,
            schema_version: Option<u64>,
        }
        let kind: Kind = json(bytes)?;
        let transport = content_type.map(|text| text.split(';').next().unwrap_or(text).trim());
        // Old OCI documents carry no type of their own, and archives none of the transport's.
        let media_type = kind.media_type.as_deref().or(transport);
        match media_type {
            Some(OCI_INDEX | DOCKER_LIST) => json(bytes).map(Document::Index),
            Some(OCI_MANIFEST | DOCKER_MANIFEST) => json(bytes).map(Document::Manifest),
            Some(other) => Err(DocumentError::MediaType(other.to_owned())),
            None if kind.schema_version == Some(2) => json(bytes).map(Document::Manifest),
            None => Err(DocumentError::MediaType(String::new())),
        }
    }
}

impl Manifest {
    /// That this is a container image whose layers can be read.
    pub(crate) fn check(&self) -> Result<(), DocumentError> {
        if ![OCI_CONFIG, DOCKER_CONFIG].contains(&self.config.media_type.as_str()) {
            return Err(DocumentError::Artifact(self.config.media_type.clone()));
        }
        for layer in &self.layers {
            if !is_layer(&layer.media_type) {
                return Err(DocumentError::LayerType(layer.media_type.clone()));
            }
        }
        for descriptor in self.layers.iter().chain([&self.config]) {
            if !super::reference::is_digest(&descriptor.digest) {
                return Err(DocumentError::Digest(descriptor.digest.clone()));
            }
        }
        Ok(())
    }
}

impl Index {
    /// The manifest for `wanted`. With no variant asked for, one without a variant goes before one with.
    pub(crate) fn choose(&self, wanted: &Platform) -> Result<&Descriptor, DocumentError> {
        let fits = |descriptor: &&Descriptor| {
            descriptor.platform.as_ref().is_some_and(|platform| {
                platform.os == wanted.os
                    && platform.architecture == wanted.architecture
                    && (wanted.variant.is_none() || platform.variant == wanted.variant)
            })
        };
        let plain = |descriptor: &&Descriptor| {
            descriptor.platform.as_ref().is_some_and(|platform| platform.variant.is_none())
        };
        let mut fitting = self.manifests.iter().filter(fits);
        let chosen = fitting.clone().find(plain).or_else(|| fitting.next());
        // An index of one image that says nothing of platforms is that image.
        let chosen = chosen.or(match self.manifests.as_slice() {
            [only] if only.platform.is_none() => Some(only),
            _ => None,
        });
        let chosen = chosen.ok_or_else(|| DocumentError::Platform(wanted.clone()))?;
        if !super::reference::is_digest(&chosen.digest) {
            return Err(DocumentError::Digest(chosen.digest.clone()));
        }
        Ok(chosen)
    }
}

impl Platform {
    /// This machine's.
    pub fn host() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// `os[/arch[/variant]]`; without an architecture this machine's.
    pub fn parse(text: &str) -> Option<Platform> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os] => return (!os.is_empty()).then(|| Platform { os: (*os).to_owned(), ..Platform::host() }),
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some((*variant).to_owned())),
            _ => return None,
        };
        let architecture = match architecture {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let is_good = !os.is_empty() && !architecture.is_empty();
        is_good.then(|| Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant })
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// Tar, plain or compressed, distributable or not. How it is compressed is seen from its first bytes.
fn is_layer(media_type: &str) -> bool {
    let oci = ["application/vnd.oci.image.layer.v1.", "application/vnd.oci.image.layer.nondistributable.v1."];
    let docker =
        ["application/vnd.docker.image.rootfs.diff.", "application/vnd.docker.image.rootfs.foreign.diff."];
    oci.iter().chain(&docker).any(|prefix| {
        media_type
            .strip_prefix(prefix)
            .is_some_and(|rest| matches!(rest, "tar" | "tar+gzip" | "tar+zstd" | "tar.gzip" | "tar.zstd"))
    })
}

fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, DocumentError> {
    serde_json::from_slice(bytes).map_err(|error| DocumentError::Json(error.to_string()))
}
