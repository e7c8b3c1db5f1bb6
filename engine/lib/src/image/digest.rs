//! SHA-256 over what passes by.

use std::fmt::Write;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// `sha256:…` of `bytes`.
pub(crate) fn of(bytes: &[u8]) -> String {
    text(Sha256::new_with_prefix(bytes))
}

/// A reader that counts, and hashes when somebody will ask for the digest.
#[derive(Debug)]
pub(crate) struct Digesting<R> {
    source: R,
    hash: Option<Sha256>,
    count: u64,
    /// How many bytes the source may have.
    limit: u64,
    /// Whether the source itself failed, which tells a broken connection from broken data.
    failed: bool,
}

impl<R: Read> Digesting<R> {
    pub(crate) fn new(source: R, limit: u64) -> Digesting<R> {
        Digesting { hash: Some(Sha256::new()), ..Digesting::counting(source, limit) }
    }

    /// Without a digest.
    pub(crate) fn counting(source: R, limit: u64) -> Digesting<R> {
        Digesting { source, hash: None, count: 0, limit, failed: false }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the source has more bytes than its limit.
    pub(crate) fn is_too_long(&self) -> bool {
        self.count > self.limit
    }

    /// The digest, if it was wanted.
    pub(crate) fn finish(self) -> Option<String> {
        self.hash.map(text)
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.source.read(buffer) {
            Ok(count) => count,
            Err(error) => {
                self.failed = error.kind() != io::ErrorKind::Interrupted;
                return Err(error);
            }
        };
        self.count += count as u64;
        if self.is_too_long() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than declared"));
        }
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..count]);
        }
        Ok(count)
    }
}

pub(crate) fn text(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::from("sha256:"), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
