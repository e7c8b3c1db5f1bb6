//! Images that ketch brings along.

use super::import::{ImportError, import};
use super::layer::{self, Expected};
use super::{ImageConfiguration, digest};
use crate::Engine;
use crate::image::descriptor::{Descriptor, Manifest, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use crate::state::images::{self, Layer, Row};
use crate::store::layers::hex;
use crate::store::staging::Staging;

#[derive(Debug, thiserror::Error)]
pub enum BuiltinError {
    /// A path too long for a tar header.
    #[error("cannot pack {path}: {error}")]
    Pack { path: String, error: std::io::Error },
    #[error("cannot write the configuration: {error}")]
    Config { error: serde_json::Error },
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Puts an image of one layer with `files` (path, mode, content) under the complete name `name`, and returns its id.
///
/// The same files and configuration give the same id; when the name has it already, nothing is done.
pub fn import_builtin(
    engine: &Engine,
    name: &str,
    files: &[(&str, u32, &[u8])],
    config: ImageConfiguration,
) -> Result<String, BuiltinError> {
    let tar = pack(files)?;
    let diff_id = digest::of(&tar);
    let config = configuration(config, &diff_id)?;
    let id = hex(&digest::of(&config)).to_owned();
    let has = engine.db.read("look up an image", |connection| images::id_by_name(connection, name));
    if has.map_err(ImportError::State)?.as_ref() == Some(&id) {
        return Ok(id);
    }
    let staging = Staging::new(&engine.paths).map_err(ImportError::from)?;
    let manifest = manifest(&id, config.len(), &diff_id, tar.len());
    let row = |layers: Vec<Layer>| Row {
        id: id.clone(),
        digest: digest::of(&manifest),
        digests: vec![digest::of(&manifest)],
        manifest: manifest.clone(),
        config: config.clone(),
        names: vec![name.to_owned()],
        layers,
    };
    import(engine, &staging, std::slice::from_ref(&diff_id), row, |missing| {
        let expected = Expected { blob: None, size: None, diff_id: &diff_id };
        let stage = |_| layer::stage(tar.as_slice(), &expected, &staging);
        Ok(missing.iter().map(stage).collect::<Result<_, _>>().map_err(ImportError::from)?)
    })
}

fn pack(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>, BuiltinError> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(*mode);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, *content)
            .map_err(|error| BuiltinError::Pack { path: (*path).to_owned(), error })?;
    }
    tar.into_inner().map_err(|error| BuiltinError::Pack { path: "the archive's end".to_owned(), error })
}

fn configuration(mut config: ImageConfiguration, diff_id: &str) -> Result<Vec<u8>, BuiltinError> {
    config.rootfs_mut().set_typ("layers".to_owned()).set_diff_ids(vec![diff_id.to_owned()]);
    serde_json::to_vec(&config).map_err(|error| BuiltinError::Config { error })
}

fn manifest(id: &str, config_size: usize, diff_id: &str, tar_size: usize) -> Vec<u8> {
    let descriptor = |media_type: &str, digest: String, size: usize| Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size: size as u64,
        platform: None,
        annotations: None,
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(OCI_MANIFEST.to_owned()),
        config: descriptor(OCI_CONFIG, format!("sha256:{id}"), config_size),
        layers: vec![descriptor(OCI_LAYER, diff_id.to_owned(), tar_size)],
    };
    // Strings and numbers alone: this cannot fail.
    serde_json::to_vec(&manifest).unwrap_or_default()
}
