//! The manifest of what was pushed: the image's own where it still holds, or a new one.

use serde_json::{Value, json};

use super::{PushOptions, Sent};
use crate::image::compose::Format;
use crate::image::descriptor::{
    DOCKER_CONFIG, DOCKER_MANIFEST, Document, DocumentError, Manifest, OCI_CONFIG, OCI_MANIFEST,
};
use crate::image::save::Compression;
use crate::state::blobs::LayerBlob;

/// The manifest that the store has for an image.
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    manifest: Manifest,
    /// Annotations of the image, OCI's.
    annotations: Value,
    format: Format,
}

impl<'a> Source<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Source<'a>, DocumentError> {
        // What is no manifest was refused when the image came in; a missing type is an old OCI manifest.
        let Document::Manifest(manifest) = Document::parse(bytes, Some(OCI_MANIFEST))? else {
            return Err(DocumentError::NestedIndex);
        };
        let whole: Value =
            serde_json::from_slice(bytes).map_err(|error| DocumentError::Json(error.to_string()))?;
        let format = match manifest.media_type.as_deref() {
            Some(DOCKER_MANIFEST) => Format::Docker,
            _ => Format::Oci,
        };
        Ok(Source { bytes, manifest, annotations: whole["annotations"].clone(), format })
    }

    /// That of the result. Layers in zstd make it OCI's.
    pub(super) fn format(&self, options: &PushOptions) -> Format {
        match options.compression {
            Some(Compression::Zstd) => options.format.unwrap_or(Format::Oci),
            _ => options.format.unwrap_or(self.format),
        }
    }

    pub(super) fn layer(&self, index: usize) -> Option<LayerBlob> {
        let layer = self.manifest.layers.get(index)?;
        Some(LayerBlob {
            digest: layer.digest.clone(),
            size: layer.size,
            media_type: layer.media_type.clone(),
        })
    }

    /// The manifest, and its media type.
    pub(super) fn result(
        &self,
        format: Format,
        config: &str,
        config_size: usize,
        sent: &[Sent],
    ) -> (Vec<u8>, String) {
        let (manifest_type, config_type) = match format {
            Format::Oci => (OCI_MANIFEST, OCI_CONFIG),
            Format::Docker => (DOCKER_MANIFEST, DOCKER_CONFIG),
        };
        let is_same = |(sent, layer): (&Sent, &crate::image::descriptor::Descriptor)| {
            sent.blob.digest == layer.digest && sent.blob.size == layer.size
        };
        let keeps = format == self.format
            && config == self.manifest.config.digest
            && sent.len() == self.manifest.layers.len()
            && sent.iter().zip(&self.manifest.layers).all(is_same);
        if keeps {
            return (self.bytes.to_owned(), manifest_type.to_owned());
        }
        let layers: Vec<Value> = sent
            .iter()
            .map(|Sent { blob, .. }| {
                let media_type = super::media_type(format, super::compression_of(blob));
                json!({"mediaType": media_type, "digest": blob.digest, "size": blob.size})
            })
            .collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": {"mediaType": config_type, "digest": config, "size": config_size},
            "layers": layers,
        });
        if format == Format::Oci && self.annotations.is_object() {
            manifest["annotations"] = self.annotations.clone();
        }
        (manifest.to_string().into_bytes(), manifest_type.to_owned())
    }
}
