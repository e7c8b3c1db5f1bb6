//! A layer's tar, written once more.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};

use sha2::{Digest, Sha256};
use tar::Builder;

use super::{SaveError, Source};
use crate::Paths;
use crate::image::compose::{LayerWriter, NewLayer};
use crate::image::digest;
use crate::state::images::Layer;
use crate::store::layers::{layer_dir, split_path};
use crate::store::pack::pack;
use crate::store::split::replay;
use crate::store::staging::Staging;
use crate::userns::Translate;

/// Packs a layer that has no record of its tar.
pub(super) fn pack_if_unrecorded(
    paths: &Paths,
    layer: &Layer,
    staging: &Staging,
) -> Result<Option<NewLayer>, SaveError> {
    if split_path(paths, &layer.diff_id).exists() {
        return Ok(None);
    }
    let failed = |error| SaveError::Layer { layer: layer.diff_id.clone(), error };
    let root = File::open(layer_dir(paths, &layer.diff_id)).map_err(failed)?;
    let mut tar = Builder::new(LayerWriter::new(staging)?);
    pack(root.into(), true, Translate::Not, &mut tar)?;
    Ok(Some(tar.into_inner().and_then(LayerWriter::finish).map_err(failed)?))
}

/// Writes the tar, whose bytes have the digest that the layer is known by, or this fails.
pub(super) fn write(paths: &Paths, source: &Source, out: &mut dyn Write) -> Result<(), SaveError> {
    let layer = &source.layer.diff_id;
    let failed = |error| SaveError::Layer { layer: layer.clone(), error };
    let mut out = Hashing { out: BufWriter::with_capacity(256 << 10, out), hash: Sha256::new() };
    match &source.packed {
        Some(packed) => {
            io::copy(&mut packed.reader().map_err(failed)?, &mut out).map_err(failed)?;
        }
        None => {
            let split = File::open(split_path(paths, layer)).map_err(failed)?;
            let root = File::open(layer_dir(paths, layer)).map_err(failed)?;
            replay(split, root, &mut out).map_err(failed)?;
        }
    }
    out.flush().map_err(failed)?;
    let actual = digest::text(out.hash);
    if actual == *layer { Ok(()) } else { Err(SaveError::Changed { layer: layer.clone(), actual }) }
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Zstd,
}

/// A compressed layer in staging.
pub(in crate::image) struct Compressed {
    pub(in crate::image) file: File,
    pub(in crate::image) digest: String,
    pub(in crate::image) size: u64,
}

/// `level`: None is the format's own default.
pub(in crate::image) fn compress(
    paths: &Paths,
    source: &Source,
    staging: &Staging,
    compression: Compression,
    level: Option<u32>,
) -> Result<Compressed, SaveError> {
    let failed = |error| SaveError::Layer { layer: source.layer.diff_id.clone(), error };
    let out = Hashing { out: BufWriter::new(staging.scratch()?), hash: Sha256::new() };
    let out = match compression {
        Compression::Gzip => {
            let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
            let mut gzip = flate2::write::GzEncoder::new(out, level);
            write(paths, source, &mut gzip)?;
            gzip.finish()
        }
        Compression::Zstd => {
            let level = level.map_or(zstd::DEFAULT_COMPRESSION_LEVEL, u32::cast_signed);
            let mut zstd = zstd::Encoder::new(out, level).map_err(failed)?;
            write(paths, source, &mut zstd)?;
            zstd.finish()
        }
    };
    let Hashing { out, hash } = out.map_err(failed)?;
    let mut file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    let size = file.stream_position().map_err(failed)?;
    file.rewind().map_err(failed)?;
    Ok(Compressed { file, digest: digest::text(hash), size })
}

struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Members of a tar, the same bytes for the same image.
pub(super) struct Members<'a> {
    tar: Builder<&'a mut dyn Write>,
}

impl<'a> Members<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Members<'a> {
        Members { tar: Builder::new(out) }
    }

    pub(super) fn directory(&mut self, name: &str) -> Result<(), SaveError> {
        let mut header = header(0, 0o755);
        header.set_entry_type(tar::EntryType::Directory);
        self.tar.append_data(&mut header, name, io::empty()).map_err(SaveError::Write)
    }

    pub(super) fn file(&mut self, name: &str, size: u64, content: impl Read) -> Result<(), SaveError> {
        self.tar.append_data(&mut header(size, 0o644), name, content).map_err(SaveError::Write)
    }

    /// A layer's tar, straight from the store. Its name is short enough for a header.
    pub(super) fn layer(&mut self, name: &str, paths: &Paths, source: &Source) -> Result<(), SaveError> {
        const BLOCK: u64 = 512;
        let size = source.layer.size;
        let mut header = header(size, 0o644);
        header.set_path(name).map_err(SaveError::Write)?;
        header.set_cksum();
        let out = self.tar.get_mut();
        out.write_all(header.as_bytes()).map_err(SaveError::Write)?;
        let mut exactly = Exactly { out, left: size };
        write(paths, source, &mut exactly)?;
        let padding = vec![0; usize::try_from(size.wrapping_neg() % BLOCK).unwrap_or(0)];
        self.tar.get_mut().write_all(&padding).map_err(SaveError::Write)
    }

    pub(super) fn finish(self) -> Result<(), SaveError> {
        self.tar.into_inner().and_then(|out| out.flush()).map_err(SaveError::Write)
    }
}

/// Takes no more than what the header says.
struct Exactly<W> {
    out: W,
    left: u64,
}

impl<W: Write> Write for Exactly<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("the layer is longer than it was"));
        }
        let count = self.out.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}
