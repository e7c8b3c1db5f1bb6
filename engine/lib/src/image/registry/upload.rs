//! The push half (distribution spec, "Push"): blobs that are there already, that another repository has, that are sent; then
//! the manifest.

use std::fs::File;

use ureq::Body;
use ureq::http::{HeaderName, Method, Response, header};

use super::request::Content;
use super::{Client, RegistryError, waits};

/// A blob to be sent.
#[derive(Debug)]
pub(crate) struct Blob<'a> {
    pub(crate) digest: &'a str,
    pub(crate) size: u64,
    pub(crate) source: Source<'a>,
}

#[derive(Debug)]
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    File(&'a File),
}

/// What came of the wish to mount a blob of another repository.
#[derive(Debug)]
pub(crate) enum Mount {
    Done,
    /// The registry has begun an upload instead, at this address.
    Upload(String),
}

/// Sent at once where a registry does not take a blob whole.
const PART: u64 = 8 << 20;
const MIN_PART: HeaderName = HeaderName::from_static("oci-chunk-min-length");
const OCTETS: (HeaderName, &str) = (header::CONTENT_TYPE, "application/octet-stream");

impl<'a> Blob<'a> {
    fn part(&self, offset: u64, length: u64) -> Content<'a> {
        match self.source {
            // Both fit: they are within the slice.
            Source::Bytes(bytes) => Content::Bytes(&bytes[offset as usize..(offset + length) as usize]),
            Source::File(file) => Content::Part { file, offset, length },
        }
    }
}

impl Client {
    /// Whether the repository has the blob.
    pub(crate) fn has_blob(&self, digest: &str) -> Result<bool, RegistryError> {
        let what = format!("blob {digest} in {}", self.reference.name());
        let url = self.url(&format!("blobs/{digest}"));
        let response = self.send(&Method::HEAD, &url, &[], &Content::None, &what)?;
        match response.status().as_u16() {
            200..=299 => Ok(true),
            404 => Ok(false),
            _ => Err(RegistryError::status(&what, response)),
        }
    }

    /// Takes the blob over from the repository `from` of the same registry.
    pub(crate) fn mount(&self, digest: &str, from: &str) -> Result<Mount, RegistryError> {
        let what = format!("blob {digest} to {}", self.reference.name());
        let url = self.url(&format!("blobs/uploads/?mount={digest}&from={from}"));
        let response = self.send(&Method::POST, &url, &[], &Content::None, &what)?;
        match response.status().as_u16() {
            201 => Ok(Mount::Done),
            202 => self.location(&url, &response, &what).map(Mount::Upload),
            _ => Err(refused(&what, response)),
        }
    }

    /// Gives up an upload that the registry has begun. One that it keeps all the same ends by itself some day.
    pub(crate) fn cancel(&self, location: &str) {
        let what = format!("an upload to {}", self.reference.name());
        let _ = self.send(&Method::DELETE, location, &[], &Content::None, &what);
    }

    /// Sends the blob: at once, or in parts when the registry does not take that.
    pub(crate) fn upload(&self, blob: &Blob<'_>) -> Result<(), RegistryError> {
        let what = format!("blob {} to {}", blob.digest, self.reference.name());
        let (location, least) = self.begin(&what)?;
        let whole = blob.part(0, blob.size);
        match self.send(&Method::PUT, &with_digest(&location, blob.digest), &[OCTETS], &whole, &what) {
            Ok(response) if response.status().is_success() => Ok(()),
            // Something on the way has a limit.
            Ok(response) if response.status() == 413 => self.upload_parts(blob, least, &what),
            Ok(response) => Err(refused(&what, response)),
            Err(RegistryError::Transport { .. }) => self.upload_parts(blob, least, &what),
            Err(error) => Err(error),
        }
    }

    /// Puts the manifest, of this media type, in the place that the client's reference names.
    pub(crate) fn put_manifest(
        &self,
        selector: &str,
        bytes: &[u8],
        media_type: &str,
    ) -> Result<(), RegistryError> {
        let what = format!("manifest {selector} to {}", self.reference.name());
        let url = self.url(&format!("manifests/{selector}"));
        let headers = [(header::CONTENT_TYPE, media_type)];
        let response = self.send(&Method::PUT, &url, &headers, &Content::Bytes(bytes), &what)?;
        if response.status().is_success() { Ok(()) } else { Err(refused(&what, response)) }
    }

    /// Where the upload goes, and the least that the registry takes as a part.
    fn begin(&self, what: &str) -> Result<(String, u64), RegistryError> {
        let url = self.url("blobs/uploads/");
        let response = self.send(&Method::POST, &url, &[], &Content::None, what)?;
        if response.status() != 202 {
            return Err(refused(what, response));
        }
        let least = response.headers().get(MIN_PART).and_then(|value| value.to_str().ok());
        let least = least.and_then(|value| value.parse().ok()).unwrap_or(0);
        Ok((self.location(&url, &response, what)?, least))
    }

    /// A connection that breaks, and a part that the registry has not got, are made up for: it says how far it is.
    fn upload_parts(&self, blob: &Blob<'_>, least: u64, what: &str) -> Result<(), RegistryError> {
        let (mut location, now_least) = self.begin(what)?;
        let size = PART.max(least).max(now_least);
        let mut waits = waits(self.retries, self.retry_delay);
        let mut offset = 0;
        while offset < blob.size {
            let length = size.min(blob.size - offset);
            let range = format!("{offset}-{}", offset + length - 1);
            let headers = [OCTETS, (header::CONTENT_RANGE, range.as_str())];
            let sent = self.send(&Method::PATCH, &location, &headers, &blob.part(offset, length), what);
            match sent {
                Ok(response) if response.status() == 202 => {
                    location = self.location(&location, &response, what)?;
                    offset = reached(&response).unwrap_or(offset + length);
                }
                Ok(response) if response.status() != 416 => return Err(refused(what, response)),
                Ok(_) | Err(RegistryError::Transport { .. }) if waits.size_hint().0 > 0 => {
                    waits.next().into_iter().for_each(std::thread::sleep);
                    let response = self.send(&Method::GET, &location, &[], &Content::None, what)?;
                    if !response.status().is_success() {
                        return Err(refused(what, response));
                    }
                    offset = reached(&response).unwrap_or(0);
                    if response.headers().contains_key(header::LOCATION) {
                        location = self.location(&location, &response, what)?;
                    }
                }
                Ok(response) => return Err(refused(what, response)),
                Err(error) => return Err(error),
            }
        }
        let url = with_digest(&location, blob.digest);
        let response = self.send(&Method::PUT, &url, &[OCTETS], &Content::None, what)?;
        if response.status().is_success() { Ok(()) } else { Err(refused(what, response)) }
    }

    /// The next address of an upload: whole, or seen from the one that was asked.
    fn location(&self, asked: &str, response: &Response<Body>, what: &str) -> Result<String, RegistryError> {
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| RegistryError::Write {
            what: what.to_owned(),
            message: "the registry does not say where to".to_owned(),
            code: response.status().as_u16(),
        })?;
        let is_whole = location.starts_with("https://") || location.starts_with("http://");
        Ok(match location {
            whole if is_whole => whole.to_owned(),
            path if path.starts_with('/') => {
                let host_at = asked.find("://").map_or(0, |at| at + 3);
                let path_at = asked[host_at..].find('/').map_or(asked.len(), |at| at + host_at);
                format!("{}{path}", &asked[..path_at])
            }
            name => {
                let path = asked.split('?').next().unwrap_or(asked);
                format!("{}{name}", &path[..path.rfind('/').map_or(path.len(), |at| at + 1)])
            }
        })
    }
}

/// How many bytes the registry has: `Range: 0-99`.
fn reached(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::RANGE)?.to_str().ok()?;
    let last: u64 = range.trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
    // An empty upload is `0-0` as well, and so is one of a single byte: the byte is sent again.
    Some(if last == 0 { 0 } else { last + 1 })
}

fn with_digest(location: &str, digest: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}

fn refused(what: &str, response: Response<Body>) -> RegistryError {
    match RegistryError::status(what, response) {
        RegistryError::Status { what, code, message } => RegistryError::Write { what, code, message },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, expected) in [
            (Some("0-99"), Some(100)),
            (Some("bytes=0-99"), Some(100)),
            (Some("0-0"), Some(0)),
            (Some("1-99"), None),
            (Some("0-x"), None),
            (None, None),
        ] {
            let mut response = Response::builder();
            if let Some(range) = range {
                response = response.header(header::RANGE, range);
            }
            let response = response.body(Body::builder().data("")).expect("a response");
            assert_eq!(reached(&response), expected, "{range:?}");
        }
    }

    #[test]
    fn digests() {
        assert_eq!(with_digest("http://a/b", "sha256:c"), "http://a/b?digest=sha256:c");
        assert_eq!(with_digest("http://a/b?_state=x", "sha256:c"), "http://a/b?_state=x&digest=sha256:c");
    }
}
