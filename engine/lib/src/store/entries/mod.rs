//! A layer's tar stream, entry by entry.
//!
//! pax (POSIX.1-2001), GNU and old headers; long names of both kinds; sparse files of all four GNU formats. Holes are
//! told, not filled with zeros, so what a file costs is bounded by what the archive really holds. Where readers may
//! differ (sizes on links, negative numbers, global headers) this one does as Go's archive/tar, with which most layers
//! are written and checked.

mod header;
mod pax;
mod sparse;
#[cfg(test)]
mod tests;

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

use header::Header;

pub(crate) use sparse::Segment;

use super::split::SplitWriter;

const BLOCK: usize = 512;

/// What is read at once: large enough to make few calls, small enough to stay in the cache between hash and write.
const BUFFER: usize = 256 << 10;

/// Bound on an extended header or a long name, which have to be held in memory; Go's.
const MAX_SPECIAL: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    HardLink,
    Symlink,
    Char,
    Block,
    Directory,
    Fifo,
}

/// One member of the archive, as it describes itself: nothing in it is to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    /// Target of a symbolic or hard link.
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds and nanoseconds; the latter never negative.
    pub(crate) mtime: (i64, u32),
    pub(crate) device: (u64, u64),
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Length of the file, holes included.
    pub(crate) size: u64,
    /// Where the stored bytes belong; None: one run from the start.
    pub(crate) sparse: Option<Vec<Segment>>,
}

/// Reads entries and their bytes from a stream of unknown length.
#[derive(Debug)]
pub(crate) struct Entries<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes of the current entry that are still to come, and the padding behind them.
    remaining: u64,
    padding: u64,
    /// Gets all bytes but those that `is_content` of a file that has been extracted.
    split: Option<SplitWriter>,
    is_content: bool,
}

impl<R: Read + Seek> Entries<R> {
    /// For an archive whose entries' bytes are not wanted: they are passed over, not read.
    pub(crate) fn of_file(source: R) -> Entries<R> {
        Entries::with_buffer(source, 16 * BLOCK)
    }

    /// Where in the source the current entry's bytes are; and goes on behind them.
    pub(crate) fn pass(&mut self) -> Result<u64> {
        let buffered = (self.end - self.start) as u64;
        let offset = self.source.stream_position()? - buffered;
        let length = self.remaining.checked_add(self.padding).ok_or_else(|| invalid("bad size"))?;
        if length > buffered {
            let behind = offset.checked_add(length).ok_or_else(|| invalid("bad size"))?;
            self.source.seek(SeekFrom::Start(behind))?;
            (self.start, self.end) = (0, 0);
        } else {
            self.start += clamp(length, self.end - self.start);
        }
        (self.remaining, self.padding) = (0, 0);
        Ok(offset)
    }
}

impl<R: Read> Entries<R> {
    pub(crate) fn new(source: R) -> Entries<R> {
        Entries::with_buffer(source, BUFFER)
    }

    /// With what is needed to write the same archive again.
    pub(crate) fn recorded(source: R, split: SplitWriter) -> Entries<R> {
        Entries { split: Some(split), ..Entries::new(source) }
    }

    fn with_buffer(source: R, size: usize) -> Entries<R> {
        let buffer = vec![0; size].into_boxed_slice();
        Entries { source, buffer, start: 0, end: 0, remaining: 0, padding: 0, split: None, is_content: false }
    }

    /// Tells that the current entry's bytes become the file `path` of the tree.
    pub(crate) fn is_file(&mut self, path: &[u8], entry: &Entry) {
        if let Some(split) = self.split.as_mut().filter(|_| self.remaining > 0) {
            split.content(path, self.remaining, entry.sparse.as_deref());
            self.is_content = true;
        }
    }

    /// Tells that a file has not stayed what it was made as.
    pub(crate) fn is_lost(&mut self) {
        if let Some(split) = &mut self.split {
            split.give_up();
        }
    }

    /// The next entry; what was left of the last one is skipped. None at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        let mut special = Special::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return if special.is_empty() {
                    Ok(None)
                } else {
                    Err(invalid("extended header without entry"))
                };
            };
            match header.flag() {
                b'x' => special.pax = Some(pax::parse(&self.special(&header)?)?),
                b'L' => special.path = Some(until_nul(self.special(&header)?)),
                b'K' => special.link = Some(until_nul(self.special(&header)?)),
                b'g' => self.expect(header.size()?),
                _ => return self.entry(&header, special).map(Some),
            }
        }
    }

    /// Some of the current entry's stored bytes; empty when there are no more.
    pub(crate) fn data(&mut self) -> Result<&[u8]> {
        if self.remaining > 0 && self.start == self.end && self.fill()? == 0 {
            return Err(truncated());
        }
        let length = clamp(self.remaining, self.end - self.start);
        Ok(&self.buffer[self.start..self.start + length])
    }

    /// Marks the first `count` bytes of what [`Self::data`] gave as used.
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count as u64 <= self.remaining && count <= self.end - self.start);
        if let Some(split) = self.split.as_mut().filter(|_| !self.is_content) {
            split.bytes(&self.buffer[self.start..self.start + count]);
        }
        self.start += count;
        self.remaining -= count as u64;
    }

    /// Reads what follows the end of the archive, so that a digest over the source is complete.
    pub(crate) fn finish(self) -> Result<R> {
        self.finish_recorded().map(|(source, _)| source)
    }

    /// The same, and what was recorded.
    pub(crate) fn finish_recorded(mut self) -> Result<(R, Option<SplitWriter>)> {
        self.skip()?;
        loop {
            if let Some(split) = &mut self.split {
                split.bytes(&self.buffer[self.start..self.end]);
            }
            self.start = self.end;
            if self.fill()? == 0 {
                return Ok((self.source, self.split));
            }
        }
    }

    fn entry(&mut self, header: &Header, special: Special) -> Result<Entry> {
        let mut entry = header.entry()?;
        let mut stored = header.size()?;
        let mut map = sparse::Map::default();
        if let Some(path) = special.path {
            entry.path = path;
        }
        if let Some(link) = special.link {
            entry.link = link;
        }
        if let Some(records) = special.pax
            && let Some(size) = pax::apply(records, &mut entry, &mut map)?
        {
            stored = size;
        }
        // Before POSIX a directory was a file whose name, the whole of it, ends in a slash.
        if header.flag() == 0 && entry.path.ends_with(b"/") {
            entry.kind = Kind::Directory;
        }
        // Links, directories and devices have no bytes, whatever their size field says.
        self.expect(if entry.kind == Kind::File { stored } else { 0 });
        entry.size = self.remaining;
        self.sparse(header, &map, &mut entry)?;
        Ok(entry)
    }

    /// Finds out where the stored bytes of a sparse file belong.
    fn sparse(&mut self, header: &Header, map: &sparse::Map, entry: &mut Entry) -> Result<()> {
        let (segments, size) = if header.flag() == b'S' {
            let (mut segments, mut more) = header.sparse()?;
            while more {
                let block = self.block()?.ok_or_else(truncated)?;
                more = sparse::extend(&mut segments, &block)?;
            }
            (segments, header.real_size()?)
        } else if map.in_data() {
            (self.map_in_data()?, map.size(entry.size))
        } else if let Some(segments) = map.segments()? {
            (segments, map.size(entry.size))
        } else {
            return Ok(());
        };
        if entry.kind != Kind::File {
            return Err(invalid("sparse map on something that is no file"));
        }
        sparse::check(&segments, size, self.remaining)?;
        entry.size = size;
        entry.sparse = Some(segments);
        Ok(())
    }

    /// The map of format 1.0: decimal numbers, a line each, in blocks of their own before the data.
    fn map_in_data(&mut self) -> Result<Vec<Segment>> {
        let mut map = sparse::Lines::default();
        while !map.is_complete() {
            if self.remaining < BLOCK as u64 {
                return Err(truncated());
            }
            let block = self.block()?.ok_or_else(truncated)?;
            self.remaining -= BLOCK as u64;
            map.feed(&block)?;
        }
        map.segments()
    }

    /// The data of an extended header or long name.
    fn special(&mut self, header: &Header) -> Result<Vec<u8>> {
        self.expect(header.size()?);
        if self.remaining > MAX_SPECIAL {
            return Err(invalid("extended header too large"));
        }
        let mut bytes = Vec::with_capacity(clamp(self.remaining, usize::MAX));
        while self.remaining > 0 {
            let chunk = self.data()?;
            bytes.extend_from_slice(chunk);
            let count = chunk.len();
            self.consume(count);
        }
        Ok(bytes)
    }

    fn header(&mut self) -> Result<Option<Header>> {
        match self.block()? {
            // One empty block ends an archive; writers make two, and some of them forget.
            Some(block) if block.iter().all(|&byte| byte == 0) => Ok(None),
            Some(block) => Header::new(block).map(Some),
            None => Ok(None),
        }
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        while self.end - self.start < BLOCK {
            if self.fill()? > 0 {
                continue;
            }
            return if self.start == self.end { Ok(None) } else { Err(truncated()) };
        }
        let mut block = [0; BLOCK];
        block.copy_from_slice(&self.buffer[self.start..self.start + BLOCK]);
        if let Some(split) = &mut self.split {
            split.bytes(&block);
        }
        self.start += BLOCK;
        Ok(Some(block))
    }

    fn expect(&mut self, size: u64) {
        self.remaining = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip(&mut self) -> Result<()> {
        while self.remaining > 0 {
            let count = self.data()?.len();
            self.consume(count);
        }
        self.is_content = false;
        self.remaining = std::mem::take(&mut self.padding);
        while self.remaining > 0 {
            let count = self.data()?.len();
            self.consume(count);
        }
        Ok(())
    }

    /// Reads once, behind what is there; 0 at the end of the source.
    fn fill(&mut self) -> Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What stands before an entry and changes it.
#[derive(Default)]
struct Special {
    pax: Option<pax::Records>,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Special {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.path.is_none() && self.link.is_none()
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

fn clamp(count: u64, limit: usize) -> usize {
    usize::try_from(count).unwrap_or(limit).min(limit)
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("not a valid tar archive: {what}"))
}

fn truncated() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "tar archive ends in the middle of an entry")
}
