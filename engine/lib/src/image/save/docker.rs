//! docker's two forms: `manifest.json` beside configurations and layers, in a tar; or a manifest of schema 2 in a directory.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::blob::{self, Compression, Members};
use super::{SaveError, Saved, name_of, write_file};
use crate::Engine;
use crate::image::descriptor::{DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST};
use crate::image::progress::Progress;
use crate::image::reference::is_digest;
use crate::image::{digest, load};
use crate::state::images::Layer;
use crate::store::staging::Staging;

/// Layers are not compressed, as in `docker save`: the configuration's diff ids vouch for them.
pub(super) fn archive(
    engine: &Engine,
    images: &[Saved],
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, SaveError> {
    let mut members = Members::new(out);
    let mut written: Vec<&str> = Vec::new();
    let mut items = Vec::new();
    for image in images {
        let mut layers = Vec::new();
        for source in &image.layers {
            let diff_id = source.layer.diff_id.as_str();
            let name = format!("{}.tar", name_of(diff_id));
            if !written.contains(&diff_id) {
                progress(Progress::Copying(diff_id.to_owned()));
                members.layer(&name, &engine.paths, source)?;
                written.push(diff_id);
            }
            layers.push(name);
        }
        progress(Progress::Config(image.digest.clone()));
        let config = format!("{}.json", name_of(&image.digest));
        if !written.contains(&image.digest.as_str()) {
            members.file(&config, image.config.len() as u64, image.config.as_slice())?;
            written.push(&image.digest);
        }
        items.push(json!({"Config": config, "RepoTags": image.names, "Layers": layers}));
    }
    progress(Progress::Writing);
    let manifest = Value::from(items).to_string();
    members.file("manifest.json", manifest.len() as u64, manifest.as_bytes())?;
    members.finish()?;
    let manifest = images.first().map(|image| {
        let layers: Vec<Layer> = image.layers.iter().map(|source| source.layer.clone()).collect();
        load::docker::manifest(&image.digest, image.config.len(), &layers)
    });
    Ok(digest::of(&manifest.unwrap_or_default()))
}

/// Whether this is such a directory; then what it has is taken out of it.
pub(super) fn clear(path: &Path) -> io::Result<bool> {
    let is_ours = |name: &str| {
        matches!(name, "version" | "manifest.json")
            || name.starts_with("signature-")
            || is_digest(&format!("sha256:{name}"))
    };
    match std::fs::read(path.join("version")) {
        Ok(version) if version.starts_with(b"Directory Transport Version:") => {}
        _ => return Ok(false),
    }
    let entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
    if !entries.iter().all(|entry| entry.file_name().to_str().is_some_and(is_ours)) {
        return Ok(false);
    }
    entries.iter().try_for_each(|entry| std::fs::remove_file(entry.path())).map(|()| true)
}

pub(super) fn directory(
    engine: &Engine,
    image: &Saved,
    path: &Path,
    compress: Option<(Compression, Option<u32>)>,
    staging: &Staging,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, SaveError> {
    let mut layers = Vec::new();
    for source in &image.layers {
        progress(Progress::Copying(source.layer.diff_id.clone()));
        let (digest, size, media_type) = if let Some((compression, level)) = compress {
            let mut compressed = blob::compress(&engine.paths, source, staging, compression, level)?;
            let target = path.join(name_of(&compressed.digest));
            let copied =
                std::fs::File::create(&target).and_then(|mut file| io::copy(&mut compressed.file, &mut file));
            copied.map_err(|error| SaveError::File { path: target, error })?;
            (compressed.digest, compressed.size, DOCKER_LAYER)
        } else {
            let target = path.join(name_of(&source.layer.diff_id));
            let file = std::fs::File::create(&target);
            let mut file = file.map_err(|error| SaveError::File { path: target, error })?;
            blob::write(&engine.paths, source, &mut file)?;
            (source.layer.diff_id.clone(), source.layer.size, DOCKER_PLAIN_LAYER)
        };
        layers.push(json!({"mediaType": media_type, "size": size, "digest": digest}));
    }
    progress(Progress::Config(image.digest.clone()));
    write_file(&path.join(name_of(&image.digest)), &image.config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {"mediaType": DOCKER_CONFIG, "size": image.config.len(), "digest": image.digest},
        "layers": layers,
    })
    .to_string();
    progress(Progress::Writing);
    write_file(&path.join("version"), b"Directory Transport Version: 1.1\n")?;
    write_file(&path.join("manifest.json"), manifest.as_bytes())?;
    Ok(digest::of(manifest.as_bytes()))
}

const DOCKER_PLAIN_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
