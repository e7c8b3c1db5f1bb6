//! New images: layers that are in the store already, and one more from a tar that was just made.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::descriptor::{DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use super::digest::{self, Digesting};
use super::import::{ImportError, import};
use super::layer::{self, Expected};
use super::progress::Progress;
use crate::Engine;
use crate::state::images::{Layer, Row};
use crate::store::StoreError;
use crate::store::layers::hex;
use crate::store::staging::Staging;

/// In which terms the new image is described.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Oci,
    Docker,
}

#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("layer {0} of the image has been removed meanwhile")]
    Gone(String),
    #[error("cannot read the new layer again: {}", crate::store::cause(.0))]
    Scratch(io::Error),
}

impl From<StoreError> for ComposeError {
    fn from(error: StoreError) -> ComposeError {
        ImportError::from(error).into()
    }
}

/// A tar in staging, with what its bytes say of it.
#[derive(Debug)]
pub(crate) struct NewLayer {
    file: File,
    pub(crate) layer: Layer,
}

impl NewLayer {
    /// From its first byte.
    pub(crate) fn reader(&self) -> io::Result<impl Read> {
        let mut file = &self.file;
        file.rewind()?;
        Ok(BufReader::with_capacity(256 << 10, file))
    }
}

/// Takes a tar that is written to it to staging.
#[derive(Debug)]
pub(crate) struct LayerWriter {
    out: BufWriter<File>,
    hash: Sha256,
    size: u64,
}

impl LayerWriter {
    pub(crate) fn new(staging: &Staging) -> Result<LayerWriter, StoreError> {
        let out = BufWriter::with_capacity(256 << 10, staging.scratch()?);
        Ok(LayerWriter { out, hash: Sha256::new(), size: 0 })
    }

    pub(crate) fn finish(self) -> io::Result<NewLayer> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let layer = Layer { diff_id: digest::text(self.hash), size: self.size };
        Ok(NewLayer { file, layer })
    }
}

impl Write for LayerWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Copies a plain tar to staging.
pub(crate) fn take(tar: impl Read, staging: &Staging) -> Result<NewLayer, TakeError> {
    let mut out = BufWriter::with_capacity(256 << 10, staging.scratch()?);
    let mut source = Digesting::new(tar, u64::MAX);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = source.read(&mut buffer).map_err(TakeError::Read)?;
        if count == 0 {
            break;
        }
        let written = out.write_all(&buffer[..count]);
        written.map_err(|error| StoreError::io("write a copy of the archive to", staging.path(), error))?;
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error);
    let file =
        file.map_err(|error| StoreError::io("write a copy of the archive to", staging.path(), error))?;
    let size = source.count();
    Ok(NewLayer { file, layer: Layer { diff_id: source.finish().unwrap_or_default(), size } })
}

#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error("cannot read the archive: {}", crate::store::cause(.0))]
    Read(io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An image to be.
#[derive(Debug)]
pub(crate) struct Composition {
    /// Lowest first; some image in the store has them.
    pub(crate) base: Vec<Layer>,
    pub(crate) new: NewLayer,
    /// The configuration without its `rootfs`.
    pub(crate) config: Value,
    /// Complete.
    pub(crate) names: Vec<String>,
    pub(crate) format: Format,
}

/// Enters the image and returns its id. A name that another one has moves.
pub(crate) fn compose(
    engine: &Engine,
    staging: &Staging,
    composition: Composition,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, ComposeError> {
    let Composition { base, new, mut config, names, format } = composition;
    let layers: Vec<Layer> = base.into_iter().chain([new.layer.clone()]).collect();
    let diff_ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
    config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
    let config = config.to_string().into_bytes();
    let digest = digest::of(&config);
    let manifest = manifest(&digest, config.len(), &layers, format);
    let row = |layers: Vec<Layer>| Row {
        id: hex(&digest).to_owned(),
        digest: digest::of(&manifest),
        digests: vec![digest::of(&manifest)],
        manifest: manifest.clone(),
        config: config.clone(),
        names: names.clone(),
        layers,
    };
    import(engine, staging, &diff_ids, row, |missing| {
        for diff_id in &diff_ids {
            progress(match missing.contains(diff_id) {
                true => Progress::Copying(diff_id.clone()),
                false => Progress::Present(diff_id.clone()),
            });
        }
        let mut staged = Vec::new();
        for diff_id in missing {
            if *diff_id != new.layer.diff_id {
                return Err(ComposeError::Gone(diff_id.clone()));
            }
            let source = new.reader().map_err(ComposeError::Scratch)?;
            let expected = Expected { blob: None, size: None, diff_id };
            staged.push(layer::stage(source, &expected, staging).map_err(ImportError::from)?);
        }
        progress(Progress::Config(digest.clone()));
        progress(Progress::Writing);
        Ok(staged)
    })
}

fn manifest(config: &str, config_size: usize, layers: &[Layer], format: Format) -> Vec<u8> {
    let (media_type, config_type, layer_type) = match format {
        Format::Oci => (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER),
        Format::Docker => (DOCKER_MANIFEST, DOCKER_CONFIG, "application/vnd.docker.image.rootfs.diff.tar"),
    };
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| json!({"mediaType": layer_type, "digest": layer.diff_id, "size": layer.size}))
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": config_type, "digest": config, "size": config_size},
        "layers": layers,
    })
    .to_string()
    .into_bytes()
}
