//! One layer on its way into staging: hash, decompress, hash, extract, all in one pass and in bounded memory.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::digest::Digesting;
use crate::state::images::Layer;
use crate::store::StoreError;
use crate::store::entries::Entries;
use crate::store::extract::{ExtractError, extract};
use crate::store::layers::{hex, staged_split};
use crate::store::split::SplitWriter;
use crate::store::staging::Staging;

/// What is known of a layer before it is read.
#[derive(Debug, Clone)]
pub(crate) struct Expected<'a> {
    /// Of the bytes as they come; None where only the configuration vouches for them.
    pub(crate) blob: Option<&'a str>,
    pub(crate) size: Option<u64>,
    /// Of the tar stream.
    pub(crate) diff_id: &'a str,
}

/// Why a layer has not been taken. Each says which layer in its first words.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error("cannot read layer {blob}: {}", crate::store::cause(error))]
    Read { blob: String, error: io::Error },
    #[error("layer {blob}: is longer than the {size} bytes that its manifest declares")]
    Long { blob: String, size: u64 },
    #[error("layer {blob}: ends after {read} of {size} bytes")]
    Short { blob: String, read: u64, size: u64 },
    #[error("layer {blob}: digest mismatch: its bytes have {actual}")]
    Digest { blob: String, actual: String },
    #[error("layer {blob}: diff id mismatch: the configuration has {diff_id}, its tar stream {actual}")]
    DiffId { blob: String, diff_id: String, actual: String },
    #[error("layer {blob}: compressed with {format}, which is not supported")]
    Compression { blob: String, format: &'static str },
    #[error("layer {blob}: {reason}")]
    Extract { blob: String, reason: String },
    #[error(transparent)]
    Store(StoreError),
}

/// Compressed bytes that are read at once.
const BUFFER: usize = 128 << 10;

/// Extracts `source` into `staging`, as the directory that the diff id names.
pub(crate) fn stage(
    source: impl Read,
    expected: &Expected<'_>,
    staging: &Staging,
) -> Result<Layer, LayerError> {
    let blob = || expected.blob.unwrap_or(expected.diff_id).to_owned();
    let dir = staging.path().join(hex(expected.diff_id));
    let file = |action, path: &Path, error| LayerError::Store(StoreError::io(action, path, error));
    let root = create(&dir).map_err(|error| file("create", &dir, error))?;
    let split = staged_split(staging.path(), expected.diff_id);

    let limit = expected.size.unwrap_or(u64::MAX);
    let mut compressed = match expected.blob {
        Some(_) => Digesting::new(source, limit),
        None => Digesting::counting(source, limit),
    };
    let (extracted, actual, length) = {
        let plain = decompress(&mut compressed).map_err(|fault| match fault {
            Fault::Read(error) => LayerError::Read { blob: blob(), error },
            Fault::Format(format) => LayerError::Compression { blob: blob(), format },
        })?;
        let recorder = SplitWriter::create(&split).map_err(|error| file("create", &split, error))?;
        let mut entries = Entries::recorded(Digesting::new(plain, u64::MAX), recorder);
        let extracted = extract(&mut entries, root.into());
        match extracted {
            Ok(()) => match entries.finish_recorded() {
                Ok((plain, recorded)) => {
                    let length = plain.count();
                    keep(&split, recorded)?;
                    (Ok(()), plain.finish().unwrap_or_default(), length)
                }
                Err(error) => (Err(ExtractError::Stream(error)), String::new(), 0),
            },
            Err(error) => (Err(error), String::new(), 0),
        }
    };

    // Bytes that are not what was promised explain any fault in the archive, so they are looked at first.
    check_blob(compressed, expected, extracted.is_err(), &blob)?;
    extracted.map_err(|error| LayerError::Extract { blob: blob(), reason: error.to_string() })?;
    if actual != expected.diff_id {
        return Err(LayerError::DiffId { blob: blob(), diff_id: expected.diff_id.to_owned(), actual });
    }
    Ok(Layer { diff_id: actual, size: length })
}

/// Ends the record, and removes what cannot be used.
fn keep(split: &Path, recorded: Option<SplitWriter>) -> Result<(), LayerError> {
    let failed = |action| move |error| LayerError::Store(StoreError::io(action, split, error));
    match recorded.map_or(Ok(false), SplitWriter::finish).map_err(failed("write"))? {
        true => Ok(()),
        false => fs::remove_file(split).map_err(failed("remove")),
    }
}

/// The layer's root: an image whose layers say nothing of `/` gets 0755.
fn create(dir: &Path) -> io::Result<File> {
    fs::create_dir(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    File::open(dir)
}

/// Reads what the decoder left, and compares size and digest with what the manifest declares.
fn check_blob(
    mut compressed: Digesting<impl Read>,
    expected: &Expected<'_>,
    is_broken: bool,
    blob: &impl Fn() -> String,
) -> Result<(), LayerError> {
    if expected.blob.is_none() && expected.size.is_none() {
        return Ok(());
    }
    let drained = if compressed.has_failed() && !compressed.is_too_long() {
        // Whoever failed is reported with its own error below.
        Ok(0)
    } else {
        io::copy(&mut compressed, &mut io::sink())
    };
    if compressed.is_too_long() {
        return Err(LayerError::Long { blob: blob(), size: expected.size.unwrap_or_default() });
    }
    if let Err(error) = drained {
        return Err(LayerError::Read { blob: blob(), error });
    }
    if is_broken && compressed.has_failed() {
        return Ok(());
    }
    if let Some(size) = expected.size.filter(|&size| size != compressed.count()) {
        return Err(LayerError::Short { blob: blob(), read: compressed.count(), size });
    }
    let actual = compressed.finish();
    match expected.blob {
        Some(digest) if actual.as_deref() != Some(digest) => {
            Err(LayerError::Digest { blob: blob(), actual: actual.unwrap_or_default() })
        }
        _ => Ok(()),
    }
}

pub(crate) enum Fault {
    Read(io::Error),
    Format(&'static str),
}

/// Finds out the compression from the first bytes, as what a manifest says of it is often wrong.
pub(crate) fn decompress<'a>(mut source: impl Read + 'a) -> Result<Box<dyn Read + 'a>, Fault> {
    let mut magic = Vec::with_capacity(6);
    source.by_ref().take(6).read_to_end(&mut magic).map_err(Fault::Read)?;
    let compression = Compression::of(&magic);
    let start = io::Cursor::new(magic);
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(start.chain(buffered(source)))),
        Compression::Zstd => Box::new(zstd(start.chain(buffered(source))).map_err(Fault::Read)?),
        // The entries have a buffer of their own.
        Compression::None => Box::new(start.chain(source)),
        Compression::Unsupported(format) => return Err(Fault::Format(format)),
    })
}

/// Whether a stream that starts so is not compressed, as far as this version can tell.
pub(crate) fn is_plain(start: &[u8]) -> bool {
    matches!(Compression::of(start), Compression::None)
}

enum Compression {
    None,
    Gzip,
    Zstd,
    Unsupported(&'static str),
}

impl Compression {
    fn of(magic: &[u8]) -> Compression {
        match magic {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            // A frame, or one to be skipped (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Compression::Unsupported("xz"),
            [b'B', b'Z', b'h', ..] => Compression::Unsupported("bzip2"),
            _ => Compression::None,
        }
    }
}

fn buffered<R: Read>(source: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER, source)
}

fn zstd<'a>(source: impl BufRead + 'a) -> io::Result<impl Read + 'a> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
    // `zstd --ultra --long=31` writes windows of 2 GiB; 128 MiB is what `zstd -d` and other engines read.
    decoder.window_log_max(27)?;
    Ok(decoder)
}
