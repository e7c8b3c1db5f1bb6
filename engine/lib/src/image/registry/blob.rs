//! A blob as a stream, which goes on where a broken connection has left it.

use std::io::{self, Read};

use ureq::http::{Method, header};

use super::request::Content;
use super::{Client, RegistryError, told, waits};

/// Reads the bytes of one blob. Whether they are the right ones is for the reader to check.
pub(crate) struct BlobReader<'a> {
    client: &'a Client,
    digest: String,
    body: ureq::BodyReader<'static>,
    /// How many bytes have come, and how many there should be.
    read: u64,
    size: u64,
    /// How often it may still be asked for again.
    tries: u32,
}

impl Client {
    /// A blob of so many bytes.
    pub(crate) fn blob(&self, digest: &str, size: u64) -> Result<BlobReader<'_>, RegistryError> {
        let response = self.get(&format!("blobs/{digest}"), None, &self.what(digest))?;
        Ok(BlobReader {
            client: self,
            digest: digest.to_owned(),
            body: response.into_body().into_reader(),
            read: 0,
            size,
            tries: u32::try_from(waits(self.retries, None).count()).unwrap_or(u32::MAX),
        })
    }

    fn what(&self, digest: &str) -> String {
        format!("blob {digest} in {}", self.reference.name())
    }
}

impl BlobReader<'_> {
    /// Asks for the rest (RFC 9110, 14). A registry that knows no ranges sends all again, of which the beginning is passed over.
    fn go_on(&mut self) -> Result<(), RegistryError> {
        let what = self.client.what(&self.digest);
        let range = format!("bytes={}-", self.read);
        let url = self.client.url(&format!("blobs/{}", self.digest));
        let headers = [(header::RANGE, range.as_str())];
        let response = self.client.send(&Method::GET, &url, &headers, &Content::None, &what)?;
        let passed = match response.status().as_u16() {
            206 => 0,
            200 => self.read,
            _ => return Err(RegistryError::status(&what, response)),
        };
        self.body = response.into_body().into_reader();
        let skipped = io::copy(&mut self.body.by_ref().take(passed), &mut io::sink());
        match skipped {
            Ok(count) if count == passed => Ok(()),
            Ok(_) => Err(RegistryError::Read { what, error: io::ErrorKind::UnexpectedEof.into() }),
            Err(error) => Err(RegistryError::Read { what, error: told(error) }),
        }
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let broken = match self.body.read(buffer) {
                Ok(0) if self.read < self.size && !buffer.is_empty() => None,
                Ok(count) => {
                    self.read += count as u64;
                    return Ok(count);
                }
                Err(error) => Some(error),
            };
            // A registry that says nothing has been waited for already.
            let is_silent = broken.as_ref().is_some_and(is_timeout);
            let broken = broken.map(told);
            if self.tries == 0 || self.read >= self.size || is_silent {
                return broken.map_or(Ok(0), Err);
            }
            self.tries -= 1;
            // The reason why it broke says more than why it could not go on.
            if let Err(error) = self.go_on() {
                return Err(broken.unwrap_or_else(|| io::Error::other(error)));
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    let source = error.get_ref().and_then(|error| error.downcast_ref::<ureq::Error>());
    matches!(source, Some(ureq::Error::Timeout(_)))
}
