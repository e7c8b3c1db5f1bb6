//! An image layout (image-spec, image-layout.md) of one image, in a tar or in a directory.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::blob::{self, Compressed, Compression, Members};
use super::{SaveError, Saved, Source, name_of, write_file};
use crate::Engine;
use crate::image::descriptor::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use crate::image::digest;
use crate::image::progress::Progress;
use crate::store::staging::Staging;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// Where blobs go.
enum Layout<'a> {
    Archive(Members<'a>),
    Directory(PathBuf),
}

pub(super) fn archive(
    engine: &Engine,
    image: &Saved,
    out: &mut dyn Write,
    compress: Option<(Compression, Option<u32>)>,
    staging: &Staging,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, SaveError> {
    let mut members = Members::new(out);
    members.directory("blobs/")?;
    members.directory("blobs/sha256/")?;
    let mut layout = Layout::Archive(members);
    let digest = fill(engine, image, &mut layout, compress, staging, progress)?;
    if let Layout::Archive(members) = layout {
        members.finish()?;
    }
    Ok(digest)
}

pub(super) fn directory(
    engine: &Engine,
    image: &Saved,
    path: &Path,
    compress: Option<(Compression, Option<u32>)>,
    staging: &Staging,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, SaveError> {
    let blobs = path.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(|error| SaveError::File { path: blobs.clone(), error })?;
    fill(engine, image, &mut Layout::Directory(path.to_owned()), compress, staging, progress)
}

fn fill(
    engine: &Engine,
    image: &Saved,
    layout: &mut Layout<'_>,
    compress: Option<(Compression, Option<u32>)>,
    staging: &Staging,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, SaveError> {
    let mut layers: Vec<Value> = Vec::new();
    for source in &image.layers {
        progress(Progress::Copying(source.layer.diff_id.clone()));
        let (digest, size, media_type) = if let Some((compression, level)) = compress {
            let compressed = blob::compress(&engine.paths, source, staging, compression, level)?;
            let (digest, size) = (compressed.digest.clone(), compressed.size);
            if !layers.iter().any(|layer| layer["digest"] == digest.as_str()) {
                layout.compressed(compressed)?;
            }
            let suffix = if compression == Compression::Zstd { "+zstd" } else { "+gzip" };
            (digest, size, format!("{OCI_LAYER}{suffix}"))
        } else {
            let digest = source.layer.diff_id.clone();
            if !layers.iter().any(|layer| layer["digest"] == digest.as_str()) {
                layout.layer(engine, source)?;
            }
            (digest, source.layer.size, OCI_LAYER.to_owned())
        };
        layers.push(json!({"mediaType": media_type, "digest": digest, "size": size}));
    }
    progress(Progress::Config(image.digest.clone()));
    layout.document(&format!("blobs/sha256/{}", name_of(&image.digest)), &image.config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": image.digest, "size": image.config.len()},
        "layers": layers,
    })
    .to_string();
    let manifest_digest = digest::of(manifest.as_bytes());
    layout.document(&format!("blobs/sha256/{}", name_of(&manifest_digest)), manifest.as_bytes())?;
    progress(Progress::Writing);
    layout.document("oci-layout", LAYOUT.as_bytes())?;
    let descriptor = |name: Option<&String>| {
        let mut descriptor =
            json!({"mediaType": OCI_MANIFEST, "digest": manifest_digest, "size": manifest.len()});
        if let Some(name) = name {
            descriptor["annotations"] = json!({REF_NAME: name});
        }
        descriptor
    };
    let mut manifests = layout.others(&image.names)?;
    match image.names.as_slice() {
        [] => manifests.push(descriptor(None)),
        names => manifests.extend(names.iter().map(|name| descriptor(Some(name)))),
    }
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    layout.document("index.json", index.to_string().as_bytes())?;
    Ok(manifest_digest)
}

/// Whether there is a layout, which can take one more image.
pub(super) fn is_layout(path: &Path) -> io::Result<bool> {
    Ok(path.join("oci-layout").is_file())
}

impl Layout<'_> {
    /// The images that a layout has already: those of none of these names, and, when there is none, of any name.
    fn others(&self, names: &[String]) -> Result<Vec<Value>, SaveError> {
        let Layout::Directory(path) = self else { return Ok(Vec::new()) };
        let path = path.join("index.json");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(SaveError::File { path, error }),
        };
        let invalid = |error: serde_json::Error| SaveError::File { path, error: error.into() };
        let mut index: Value = serde_json::from_slice(&bytes).map_err(invalid)?;
        let mut manifests = index["manifests"].as_array_mut().map(std::mem::take).unwrap_or_default();
        manifests.retain(|manifest| {
            let name = manifest["annotations"][REF_NAME].as_str();
            name.is_some_and(|name| !names.iter().any(|other| other == name))
                || name.is_none() && !names.is_empty()
        });
        Ok(manifests)
    }

    fn document(&mut self, name: &str, bytes: &[u8]) -> Result<(), SaveError> {
        match self {
            Layout::Archive(members) => members.file(name, bytes.len() as u64, bytes),
            Layout::Directory(path) => write_file(&path.join(name), bytes),
        }
    }

    fn compressed(&mut self, mut compressed: Compressed) -> Result<(), SaveError> {
        let name = format!("blobs/sha256/{}", name_of(&compressed.digest));
        match self {
            Layout::Archive(members) => members.file(&name, compressed.size, compressed.file),
            Layout::Directory(path) => {
                let target = path.join(name);
                let copied =
                    File::create(&target).and_then(|mut file| io::copy(&mut compressed.file, &mut file));
                copied.map(drop).map_err(|error| SaveError::File { path: target, error })
            }
        }
    }

    fn layer(&mut self, engine: &Engine, source: &Source) -> Result<(), SaveError> {
        let name = format!("blobs/sha256/{}", name_of(&source.layer.diff_id));
        match self {
            Layout::Archive(members) => members.layer(&name, &engine.paths, source),
            Layout::Directory(path) => {
                let target = path.join(name);
                let file = File::create(&target);
                let mut file = file.map_err(|error| SaveError::File { path: target, error })?;
                blob::write(&engine.paths, source, &mut file)
            }
        }
    }
}
