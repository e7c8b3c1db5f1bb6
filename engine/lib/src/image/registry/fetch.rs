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

    /// The repository's tags, in the registry's order and page by page; at most so many.
    pub(crate) fn tags(&self, most: usize) -> Result<Vec<String>, RegistryError> {
        let what = format!("tags of {}", self.reference.name());
        self.pages(self.url("tags/list"), "tags", most, &|_| true, &what)
    }

    /// The registry's repositories with `part` in their names, at most so many.
    pub(crate) fn repositories(&self, part: &str, most: usize) -> Result<Vec<String>, RegistryError> {
        let what = format!("the catalog of {}", self.reference.registry);
        let url = format!("{}/v2/_catalog", self.base);
        self.pages(url, "repositories", most, &|name| name.contains(part), &what)
    }

    /// A document of the registry that is not below `/v2/`; None: it has none such.
    pub(crate) fn other(&self, path: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        let what = format!("{} of {}", path.split('?').next().unwrap_or(path), self.reference.registry);
        let url = format!("{}{path}", self.base);
        let response = self.send(&Method::GET, &url, &[], &Content::None, &what)?;
        if response.status() == 200 { document(response, &what).map(Some) } else { Ok(None) }
    }

    /// Lists of names (distribution spec, "Listing Tags"); a next page is named in a header (RFC 5988).
    fn pages(
        &self,
        mut url: String,
        key: &str,
        most: usize,
        is_wanted: &dyn Fn(&str) -> bool,
        what: &str,
    ) -> Result<Vec<String>, RegistryError> {
        let mut names = Vec::new();
        loop {
            let response = self.send(&Method::GET, &url, &[], &Content::None, what)?;
            if response.status() != 200 {
                return Err(RegistryError::status(what, response));
            }
            let next = response.headers().get(header::LINK).and_then(|value| value.to_str().ok());
            let next = next.and_then(|link| link.split(';').next()).map(str::trim);
            let next = next.and_then(|link| link.strip_prefix('<')?.strip_suffix('>')).map(str::to_owned);
            let page: serde_json::Value = serde_json::from_slice(&document(response, what)?)
                .map_err(|error| RegistryError::Read { what: what.to_owned(), error: error.into() })?;
            let page = page[key].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
            names.extend(page.filter(|name| is_wanted(name)).map(str::to_owned));
            names.truncate(most);
            match next {
                // Of the registry itself, whatever host it names, and not again what was just asked.
                Some(next) if names.len() < most => {
                    let path_at =
                        next.find("://").and_then(|at| next[at + 3..].find('/').map(|to| at + 3 + to));
                    let next = format!("{}{}", self.base, &next[path_at.unwrap_or(0)..]);
                    if next == url {
                        return Ok(names);
                    }
                    url = next;
                }
                _ => return Ok(names),
            }
        }
    }

    pub(super) fn get(
        &self,
        path: &str,
        accept: Option<&str>,
        what: &str,
    ) -> Result<Response<Body>, RegistryError> {
        let headers = accept.map(|accept| (header::ACCEPT, accept));
        let response = self.send(&Method::GET, &self.url(path), headers.as_slice(), &Content::None, what)?;
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
