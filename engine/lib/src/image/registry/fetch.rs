//! The pull half: manifests, blobs, and the names of a repository's tags.

use std::io::Read;

use ureq::Body;
use ureq::http::{Method, Response, header};

use super::request::Content;
use super::{Client, RegistryError, Stream};
use crate::image::descriptor::{DOCKER_LIST, DOCKER_MANIFEST, MAX_DOCUMENT, OCI_INDEX, OCI_MANIFEST};
use crate::image::{digest, reference};

impl Client {
    /// A manifest or index by tag or digest: its bytes, checked against the digest, and its media type.
    pub(crate) fn manifest(&self, selector: &str) -> Result<(Vec<u8>, Option<String>), RegistryError> {
        let what = format!("manifest {selector} in {}", self.reference.name());
        let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
        let response = self.get(&format!("manifests/{selector}"), Some(&accept), &what)?;
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let bytes = document(response, &what)?;
        if reference::is_digest(selector) && digest::of(&bytes) != selector {
            return Err(RegistryError::Digest { what, actual: digest::of(&bytes) });
        }
        Ok((bytes, content_type))
    }

    /// A small blob, whole and checked.
    pub(crate) fn document(&self, blob: &str) -> Result<Vec<u8>, RegistryError> {
        let what = format!("blob {blob} in {}", self.reference.name());
        let bytes = document(self.get(&format!("blobs/{blob}"), None, &what)?, &what)?;
        match digest::of(&bytes) {
            actual if actual == blob => Ok(bytes),
            actual => Err(RegistryError::Digest { what, actual }),
        }
    }

    /// A blob as a stream, which the reader checks.
    pub(crate) fn blob(&self, blob: &str) -> Result<impl Read + use<>, RegistryError> {
        let what = format!("blob {blob} in {}", self.reference.name());
        Ok(Stream(self.get(&format!("blobs/{blob}"), None, &what)?.into_body().into_reader()))
    }

    fn get(&self, path: &str, accept: Option<&str>, what: &str) -> Result<Response<Body>, RegistryError> {
        let headers = accept.map(|accept| (header::ACCEPT, accept));
        let response = self.send(Method::GET, &self.url(path), headers.as_slice(), &Content::None, what)?;
        if response.status() == 200 { Ok(response) } else { Err(RegistryError::status(what, response)) }
    }
}

fn document(response: Response<Body>, what: &str) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    Stream(response.into_body().into_reader())
        .take(MAX_DOCUMENT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| RegistryError::Read { what: what.to_owned(), error })?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(RegistryError::Large { what: what.to_owned() });
    }
    Ok(bytes)
}
