//! `docker-dir`: a manifest, and the blobs beside it by the hex digits of their digests.

use super::archive::Archive;
use super::{Found, LoadError, document, oci};
use crate::image::descriptor::{Document, DocumentError};
use crate::store::layers::hex;

pub(super) fn find(archive: &Archive) -> Result<Vec<Found>, LoadError> {
    let member = "manifest.json";
    let invalid = |source| LoadError::Document { member: member.to_owned(), source };
    let bytes = document(archive, member)?;
    let Document::Manifest(manifest) = Document::parse(&bytes, None).map_err(invalid)? else {
        return Err(invalid(DocumentError::NestedIndex));
    };
    manifest.check().map_err(invalid)?;
    Ok(vec![oci::described(archive, None, manifest, bytes, |digest| hex(digest).to_owned())?])
}
