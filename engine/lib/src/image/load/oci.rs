//! `oci-archive`: an image layout (image-spec, image-layout.md), `index.json` and blobs by digest.

use super::archive::Archive;
use super::{Found, FoundLayer, LoadError, configuration, document};
use crate::image::descriptor::{
    DOCKER_LIST, Descriptor, Document, DocumentError, Index, Manifest, OCI_INDEX, Platform,
};
use crate::image::digest;
use crate::image::reference::{Reference, ReferenceError, Short};
use crate::state::images::{Layer, Row};
use crate::store::layers::hex;

/// containerd's and docker's annotation has the full name; OCI's own a tag or, as skopeo and podman use it, a name.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
const OCI_NAME: &str = "org.opencontainers.image.ref.name";

pub(super) fn find(archive: &Archive) -> Result<Vec<Found>, LoadError> {
    let member = "index.json";
    let invalid = |source| LoadError::Document { member: member.to_owned(), source };
    let index: Index = serde_json::from_slice(&document(archive, member)?)
        .map_err(|error| invalid(DocumentError::Json(error.to_string())))?;
    let wanted = Platform::host();
    let mut images: Vec<Found> = Vec::new();
    // Several entries are several images, or one for several platforms.
    let has_name = |descriptor: &Descriptor| name_of(descriptor).is_some();
    if index.manifests.len() > 1 && !index.manifests.iter().any(has_name) {
        let chosen = index.choose(&wanted).map_err(invalid)?;
        return Ok(vec![image(archive, chosen, &wanted, "localhost")?]);
    }
    for descriptor in &index.manifests {
        let found = image(archive, descriptor, &wanted, "localhost")?;
        images.push(found);
    }
    Ok(images)
}

/// The image of this name, as it stands in the layout; without a name the only one. `registry` completes it.
pub(super) fn find_one(
    archive: &Archive,
    name: Option<&str>,
    registry: &str,
) -> Result<Vec<Found>, LoadError> {
    let member = "index.json";
    let mut index: Index = serde_json::from_slice(&document(archive, member)?).map_err(|error| {
        LoadError::Document { member: member.to_owned(), source: DocumentError::Json(error.to_string()) }
    })?;
    let raw_name = |descriptor: &Descriptor| descriptor.annotations.as_ref()?.get(OCI_NAME).cloned();
    if let Some(name) = name {
        index.manifests.retain(|descriptor| raw_name(descriptor).as_deref() == Some(name));
        let chosen = index.manifests.first().ok_or_else(|| LoadError::NoName(name.to_owned()))?;
        return Ok(vec![image(archive, chosen, &Platform::host(), registry)?]);
    }
    match index.manifests.iter().filter_map(raw_name).collect::<Vec<_>>() {
        names if names.len() > 1 => Err(LoadError::Several(names)),
        _ => find(archive),
    }
}

fn image(
    archive: &Archive,
    named: &Descriptor,
    wanted: &Platform,
    registry: &str,
) -> Result<Found, LoadError> {
    let mut bytes = blob(archive, named)?;
    let mut media_type = named.media_type.clone();
    if matches!(media_type.as_str(), OCI_INDEX | DOCKER_LIST) {
        let Document::Index(index) = parse(&bytes, named)? else {
            return Err(invalid(named, DocumentError::MediaType(media_type)));
        };
        let chosen = index.choose(wanted).map_err(|source| invalid(named, source))?;
        bytes = blob(archive, chosen)?;
        media_type.clone_from(&chosen.media_type);
    }
    let manifest =
        match Document::parse(&bytes, Some(&media_type)).map_err(|source| invalid(named, source))? {
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => return Err(invalid(named, DocumentError::NestedIndex)),
        };
    manifest.check().map_err(|source| invalid(named, source))?;
    let name = name_of(named).map(|name| reference(name, registry)).transpose()?;
    described(archive, name.as_ref(), manifest, bytes, member)
}

/// The image of a manifest that has been checked. `member` finds a blob by its digest.
pub(super) fn described(
    archive: &Archive,
    name: Option<&Reference>,
    manifest: Manifest,
    bytes: Vec<u8>,
    member: fn(&str) -> String,
) -> Result<Found, LoadError> {
    let config = blob_of(archive, &manifest.config, member)?;
    let diff_ids = configuration(&config, &member(&manifest.config.digest), manifest.layers.len())?;
    if let Some(layer) = manifest.layers.iter().find(|layer| archive.stream(&member(&layer.digest)).is_none())
    {
        return Err(LoadError::Missing(member(&layer.digest)));
    }
    let names: Vec<String> = name.into_iter().map(Reference::to_string).collect();
    let digest = manifest.config.digest.clone();
    let row = {
        let (names, digest) = (names.clone(), digest.clone());
        move |layers: Vec<Layer>| {
            let manifest_digest = digest::of(&bytes);
            Row {
                id: hex(&digest).to_owned(),
                digests: vec![manifest_digest.clone()],
                digest: manifest_digest,
                manifest: bytes.clone(),
                config: config.clone(),
                names: names.clone(),
                layers,
            }
        }
    };
    let layers = manifest
        .layers
        .into_iter()
        .map(|layer| FoundLayer { member: member(&layer.digest), blob: Some((layer.digest, layer.size)) })
        .collect();
    Ok(Found { diff_ids, layers, digest, names, row: Box::new(row) })
}

fn name_of(descriptor: &Descriptor) -> Option<&str> {
    let annotations = descriptor.annotations.as_ref()?;
    annotations.get(CONTAINERD_NAME).or_else(|| annotations.get(OCI_NAME)).map(String::as_str)
}

/// A name without a registry is an archive's own, as in podman: nobody but the archive vouches for it.
fn reference(name: &str, registry: &str) -> Result<Reference, ReferenceError> {
    Short::parse(name).map(|short| short.at(registry))
}

fn blob(archive: &Archive, descriptor: &Descriptor) -> Result<Vec<u8>, LoadError> {
    blob_of(archive, descriptor, member)
}

fn blob_of(
    archive: &Archive,
    descriptor: &Descriptor,
    member: fn(&str) -> String,
) -> Result<Vec<u8>, LoadError> {
    if !crate::image::reference::is_digest(&descriptor.digest) {
        return Err(invalid(descriptor, DocumentError::Digest(descriptor.digest.clone())));
    }
    let member = member(&descriptor.digest);
    let bytes = document(archive, &member)?;
    match digest::of(&bytes) {
        actual if actual == descriptor.digest => Ok(bytes),
        actual => Err(LoadError::Digest { member, actual }),
    }
}

fn parse(bytes: &[u8], descriptor: &Descriptor) -> Result<Document, LoadError> {
    Document::parse(bytes, Some(&descriptor.media_type)).map_err(|source| invalid(descriptor, source))
}

fn member(digest: &str) -> String {
    format!("blobs/sha256/{}", hex(digest))
}

fn invalid(descriptor: &Descriptor, source: DocumentError) -> LoadError {
    LoadError::Document { member: member(&descriptor.digest), source }
}
