//! One layer on its way to a registry.

use super::{Cause, PushOptions, compression_of, media_type};
use crate::image::compose::Format;
use crate::image::reference::Reference;
use crate::image::registry::{Blob, Client, Mount, UploadSource};
use crate::image::save::blob::compress;
use crate::image::save::{Compression, Source};
use crate::state::blobs::{self, LayerBlob};
use crate::store::staging::Staging;
use crate::{Engine, Paths, state};

/// Repositories that are asked for one blob.
const MOST_PLACES: usize = 3;

/// A layer, and what it is known to be as.
pub(super) struct Job {
    candidates: Vec<Candidate>,
    format: Format,
    compression: Compression,
    level: Option<u32>,
}

struct Candidate {
    blob: LayerBlob,
    is_verified: bool,
    /// Where it has been, in the same registry.
    places: Vec<String>,
}

/// A layer that the registry has.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) blob: LayerBlob,
    /// Whether the blob is known to be the layer, and not only said to be by the image's manifest.
    pub(super) is_verified: bool,
}

impl Job {
    /// `own`: how the image's manifest describes the layer.
    pub(super) fn new(
        engine: &Engine,
        diff_id: &str,
        own: Option<LayerBlob>,
        reference: &Reference,
        format: Format,
        options: &PushOptions,
    ) -> Result<Job, state::Error> {
        let known = engine.db.read("look up blobs", |connection| blobs::of_layer(connection, diff_id))?;
        let wanted = options.compression.unwrap_or(Compression::Gzip);
        let mut candidates = Vec::new();
        let own = own.filter(|own| !known.contains(own)).map(|own| (own, false));
        for (blob, is_verified) in own.into_iter().chain(known.into_iter().map(|blob| (blob, true))) {
            let compression = compression_of(&blob);
            // Manifests that are made up for an image of this machine say gzip of a plain tar.
            let is_true = (blob.digest == diff_id) == compression.is_none();
            let is_wanted = !options.force_compression || compression == Some(wanted);
            let is_allowed = format != Format::Docker || compression != Some(Compression::Zstd);
            if is_true && is_wanted && is_allowed {
                let mut places = engine.db.read("look up blobs", |connection| {
                    blobs::repositories(connection, &blob.digest, &reference.registry)
                })?;
                places.retain(|place| *place != reference.repository);
                places.truncate(MOST_PLACES);
                candidates.push(Candidate { blob, is_verified, places });
            }
        }
        Ok(Job { candidates, format, compression: wanted, level: options.level })
    }

    /// All that may be asked for a blob.
    pub(super) fn repositories(&self) -> impl Iterator<Item = &str> {
        self.candidates.iter().flat_map(|candidate| &candidate.places).map(String::as_str)
    }

    /// The layer as the repository has it already, or now has it from another one.
    pub(super) fn find(&self, client: &Client) -> Result<Option<Sent>, Cause> {
        for candidate in &self.candidates {
            let digest = &candidate.blob.digest;
            if client.has_blob(digest)? || mount(client, digest, &candidate.places)? {
                let media_type = match candidate.is_verified {
                    true => media_type(self.format, compression_of(&candidate.blob)).to_owned(),
                    false => candidate.blob.media_type.clone(),
                };
                let blob = LayerBlob { media_type, ..candidate.blob.clone() };
                return Ok(Some(Sent { blob, is_verified: candidate.is_verified }));
            }
        }
        Ok(None)
    }

    /// Compresses the layer and sends it. Runs in a thread of its own.
    pub(super) fn send(
        &self,
        source: &Source,
        paths: &Paths,
        client: &Client,
        staging: &Staging,
    ) -> Result<Sent, Cause> {
        let made = compress(paths, source, staging, self.compression, self.level)?;
        let is_known = |candidate: &Candidate| candidate.blob.digest == made.digest;
        // Those have been asked for.
        if self.candidates.iter().any(is_known) || !client.has_blob(&made.digest)? {
            let source = UploadSource::File(&made.file);
            client.upload(&Blob { digest: &made.digest, size: made.size, source })?;
        }
        let media_type = media_type(self.format, Some(self.compression)).to_owned();
        let blob = LayerBlob { digest: made.digest, size: made.size, media_type };
        Ok(Sent { blob, is_verified: true })
    }
}

fn mount(client: &Client, digest: &str, places: &[String]) -> Result<bool, Cause> {
    for place in places {
        match client.mount(digest, place)? {
            Mount::Done => return Ok(true),
            // The registry has it no more, or not for us; it is not asked to send itself what we have to compress first.
            Mount::Upload(location) => client.cancel(&location),
        }
    }
    Ok(false)
}
