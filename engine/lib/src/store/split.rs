//! What a layer's tar has beside the contents of its files: with it and the extracted layer the same tar can be written again,
//! byte for byte, and so with the same digest.
//!
//! `splits/<hex diff id>` is a zstd stream of records: 1, a length and as many bytes of the tar; or 2, a path below the layer's root and the
//! stretches of that file (offset and length each) that come next. Numbers are little-endian. A layer without one, of an older
//! store or with an entry that a later one has replaced, is packed anew when it is needed, and is another one then.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ketch_sys::openat2;
use nix::fcntl::OFlag;

use super::entries::Segment;

const BYTES: u8 = 1;
const CONTENT: u8 = 2;

/// Bound on what is held in memory of a record.
const LONGEST: usize = 1 << 20;

/// Written while the tar is extracted.
pub(crate) struct SplitWriter {
    out: zstd::Encoder<'static, BufWriter<File>>,
    bytes: Vec<u8>,
    /// Why there will be none.
    failed: Option<io::Error>,
    given_up: bool,
}

impl std::fmt::Debug for SplitWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SplitWriter").field("given_up", &self.given_up).finish_non_exhaustive()
    }
}

impl SplitWriter {
    pub(crate) fn create(path: &Path) -> io::Result<SplitWriter> {
        let out = zstd::Encoder::new(BufWriter::new(File::create(path)?), 1)?;
        Ok(SplitWriter { out, bytes: Vec::new(), failed: None, given_up: false })
    }

    /// The next bytes of the tar.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.given_up {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= LONGEST / 2 {
            self.flush();
        }
    }

    /// The content of a file comes next: `size` bytes from its start, or the given stretches.
    pub(crate) fn content(&mut self, path: &[u8], size: u64, segments: Option<&[Segment]>) {
        if self.given_up {
            return;
        }
        self.flush();
        let whole = [Segment { offset: 0, length: size }];
        let segments = segments.unwrap_or(&whole);
        let mut record = vec![CONTENT];
        record.extend(length(path.len()));
        record.extend(path);
        record.extend(length(segments.len()));
        for segment in segments {
            record.extend(segment.offset.to_le_bytes());
            record.extend(segment.length.to_le_bytes());
        }
        self.write(&record);
    }

    /// The tar cannot be written again from what was extracted.
    pub(crate) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Whether there is one.
    pub(crate) fn finish(mut self) -> io::Result<bool> {
        self.flush();
        match self.failed.take() {
            Some(error) => Err(error),
            None if self.given_up => Ok(false),
            None => self.out.finish()?.flush().map(|()| true),
        }
    }

    fn flush(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        for part in bytes.chunks(LONGEST) {
            self.write(&[BYTES]);
            self.write(&length(part.len()));
            self.write(part);
        }
        self.bytes = bytes;
        self.bytes.clear();
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.out.write_all(bytes) {
            self.failed.get_or_insert(error);
            self.given_up = true;
        }
    }
}

fn length(length: usize) -> [u8; 4] {
    // Both are bounded: a path and a segment list come out of a header, bytes are parted.
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// Writes the tar of the layer whose extracted root is `root` once more.
pub(crate) fn replay(split: File, root: impl AsFd, out: &mut impl Write) -> io::Result<()> {
    let mut split = BufReader::new(zstd::Decoder::new(split)?);
    let mut kind = [0];
    let mut buffer = vec![0; 256 << 10];
    while split.read(&mut kind)? > 0 {
        match kind[0] {
            BYTES => {
                let bytes = record(&mut split, LONGEST)?;
                out.write_all(&bytes)?;
            }
            CONTENT => {
                let path = record(&mut split, LONGEST)?;
                let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
                let file = File::from(openat2::open_in_root(&root, path.as_slice(), flags)?);
                for _ in 0..number(&mut split)? {
                    let (mut offset, length) = (number64(&mut split)?, number64(&mut split)?);
                    let end = offset.checked_add(length).ok_or_else(damaged)?;
                    while offset < end {
                        let most = usize::try_from(end - offset).unwrap_or(usize::MAX).min(buffer.len());
                        match file.read_at(&mut buffer[..most], offset)? {
                            0 => return Err(damaged()),
                            count => {
                                out.write_all(&buffer[..count])?;
                                offset += count as u64;
                            }
                        }
                    }
                }
            }
            _ => return Err(damaged()),
        }
    }
    Ok(())
}

fn record(split: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let length = number(split)? as usize;
    if length > most {
        return Err(damaged());
    }
    let mut bytes = vec![0; length];
    split.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn number(split: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    split.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn number64(split: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    split.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the layer in the store is not what was extracted")
}
