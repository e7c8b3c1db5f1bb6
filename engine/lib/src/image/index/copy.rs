//! An image from one repository to another, with all its bytes as they are.

use std::io::{self, Write};

use crate::image::descriptor::{Document, DocumentError, OCI_MANIFEST};
use crate::image::digest::Digesting;
use crate::image::push::Cause;
use crate::image::registry::{Blob, Client, Mount, RegistryError, UploadSource};
use crate::store::StoreError;
use crate::store::staging::Staging;

/// Copies the image of the manifest `digest`. What both repositories have is not fetched. `mountable`: the registry is one and the
/// same, and the repository in it, from which blobs are taken over.
pub(super) fn copy(
    from: &Client,
    to: &Client,
    digest: &str,
    mountable: Option<&str>,
    staging: &Staging,
) -> Result<(), Cause> {
    let (bytes, content_type) = from.manifest(digest)?;
    let media_type = content_type.unwrap_or_else(|| OCI_MANIFEST.to_owned());
    let Document::Manifest(manifest) = Document::parse(&bytes, Some(&media_type))? else {
        return Err(DocumentError::NestedIndex.into());
    };
    manifest.check()?;
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        if to.has_blob(&blob.digest)? {
            continue;
        }
        if let Some(repository) = mountable {
            match to.mount(&blob.digest, repository)? {
                Mount::Done => continue,
                Mount::Upload(location) => to.cancel(&location),
            }
        }
        let mut file = staging.scratch()?;
        let mut source = Digesting::new(from.blob(&blob.digest, blob.size)?, blob.size);
        let what = format!("blob {}", blob.digest);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = io::Read::read(&mut source, &mut buffer);
            let count = read.map_err(|error| RegistryError::Read { what: what.clone(), error })?;
            if count == 0 {
                break;
            }
            let written = file.write_all(&buffer[..count]);
            written.map_err(|error| StoreError::io("write a copy of a blob to", staging.path(), error))?;
        }
        let size = source.count();
        let actual = source.finish().unwrap_or_default();
        if actual != blob.digest || size != blob.size {
            return Err(RegistryError::Digest { what, actual }.into());
        }
        to.upload(&Blob { digest: &blob.digest, size, source: UploadSource::File(&file) })?;
    }
    to.put_manifest(digest, &bytes, manifest.media_type.as_deref().unwrap_or(&media_type))?;
    Ok(())
}
