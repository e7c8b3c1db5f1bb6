//! The log's writing end. It lives in the monitor and never stops the container: what cannot be written is
//! counted, and the gap is noted in the log as soon as it can be.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::SystemTime;

use memchr::memchr;

use super::files::rotated;
use super::record::Stream;
use crate::clock;
use crate::config::LogConfig;

/// Slices of one writev(2): a prefix and a line take two.
const SLICES: usize = 256;

#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    path: PathBuf,
    size: u64,
    max_size: u64,
    max_files: u32,
    lost: Option<Lost>,
}

#[derive(Debug)]
struct Lost {
    bytes: u64,
    cause: io::Error,
}

impl Writer {
    /// Opens the log to append to it: a restarted container's log goes on.
    pub(crate) fn open(config: &LogConfig) -> io::Result<Writer> {
        let file = create(&config.path)?;
        let mut size = file.metadata()?.len();
        // A monitor killed while writing leaves a record without end.
        let mut last = [b'\n'];
        if size > 0 && file.read_at(&mut last, size - 1)? == 1 && last != *b"\n" {
            (&file).write_all(b"\n")?;
            size += 1;
        }
        Ok(Writer {
            size,
            file,
            path: config.path.clone(),
            max_size: config.max_size.unwrap_or(u64::MAX),
            max_files: config.max_files,
            lost: None,
        })
    }

    /// Writes what was read from `stream` at once: its lines carry the same time, and a last one without newline is partial.
    pub(crate) fn write(&mut self, stream: Stream, chunk: &[u8]) {
        let [full, partial] = prefixes(stream);
        let mut rest = chunk;
        while !rest.is_empty() {
            let gap = self.lost.as_ref().map(Lost::note).unwrap_or_default();
            let batch = Batch::of(
                rest,
                [&full[..], &partial[..]],
                &gap,
                self.max_size.saturating_sub(self.size),
                self.size == 0,
            );
            let used = batch.used;
            if used > 0 {
                self.append(&batch);
                rest = &rest[used..];
            } else if let Err(cause) = self.rotate() {
                self.lose(rest.len(), cause);
                return;
            }
        }
    }

    /// A line of the monitor's own.
    pub(crate) fn note(&mut self, text: &str) {
        self.append(&Batch::of(b"", [b"", b""], &note(text), u64::MAX, true));
    }

    /// Appends the batch, or when the disk is full as many whole records as there is room for. The note of an
    /// earlier gap is kept only when something could be written after that gap.
    fn append(&mut self, batch: &Batch<'_>) {
        let Err((written, cause)) = self.write_all(batch) else {
            self.size += batch.bytes as u64;
            if batch.used > 0 {
                self.lost = None;
            }
            return;
        };
        let (bytes, used) = batch.whole_records(written);
        if used > 0 {
            self.lost = None;
            self.size += bytes as u64;
        }
        // Half a record would spoil the next one. A file that cannot be cut back keeps it.
        let _ = self.file.set_len(self.size);
        self.lose(batch.used - used, cause);
    }

    /// On error also tells how many bytes were written before it.
    fn write_all(&mut self, batch: &Batch<'_>) -> Result<(), (usize, io::Error)> {
        let mut slices = batch.slices;
        let mut slices = &mut slices[..batch.length];
        let mut written = 0;
        while !slices.is_empty() {
            match self.file.write_vectored(slices) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(length) => {
                    written += length;
                    IoSlice::advance_slices(&mut slices, length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }

    fn lose(&mut self, bytes: usize, cause: io::Error) {
        let lost = self.lost.get_or_insert(Lost { bytes: 0, cause });
        lost.bytes += bytes as u64;
    }

    /// `log.1` becomes `log.2` and so on, the log becomes `log.1`, and a new one begins.
    fn rotate(&mut self) -> io::Result<()> {
        if self.max_files <= 1 {
            self.file.set_len(0)?;
            self.size = 0;
            return Ok(());
        }
        for number in (1..self.max_files - 1).rev() {
            match fs::rename(rotated(&self.path, number), rotated(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let previous = rotated(&self.path, 1);
        match fs::rename(&self.path, &previous) {
            // Somebody has removed it: there is nothing to keep.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match create(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => {
                // The old file goes on under its name; the error that matters is the first.
                let _ = fs::rename(&previous, &self.path);
                return Err(error);
            }
        }
        self.size = 0;
        Ok(())
    }
}

fn create(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)
}

impl Lost {
    fn note(&self) -> Vec<u8> {
        note(&format!("{} bytes of output could not be logged: {}", self.bytes, self.cause))
    }
}

fn note(text: &str) -> Vec<u8> {
    let [full, _] = prefixes(Stream::Stderr);
    [&full[..], b"ketch: ", text.replace('\n', " ").as_bytes(), b"\n"].concat()
}

/// Length of what a record begins with: time, offset, stream, tag and the spaces behind them.
const PREFIX: usize = clock::STAMP + "+00:00 stdout F ".len();

/// What a full and a partial record begin with.
fn prefixes(stream: Stream) -> [[u8; PREFIX]; 2] {
    let stamp = clock::stamp(SystemTime::now());
    let ends = match stream {
        Stream::Stdout => [b"+00:00 stdout F ", b"+00:00 stdout P "],
        Stream::Stderr => [b"+00:00 stderr F ", b"+00:00 stderr P "],
    };
    ends.map(|end| {
        let mut prefix = [0; PREFIX];
        prefix[..clock::STAMP].copy_from_slice(&stamp);
        prefix[clock::STAMP..].copy_from_slice(end);
        prefix
    })
}

/// Records to write with one call, without a copy of what is in them.
struct Batch<'a> {
    slices: [IoSlice<'a>; SLICES],
    length: usize,
    /// The note of an earlier gap, which comes first.
    gap: usize,
    /// Bytes in the file.
    bytes: usize,
    /// Bytes of the chunk.
    used: usize,
}

impl<'a> Batch<'a> {
    /// As many records as fit into one call and `room` bytes, but at least one when `empty` says that the file has none.
    fn of(
        chunk: &'a [u8],
        [full, partial]: [&'a [u8]; 2],
        gap: &'a [u8],
        room: u64,
        empty: bool,
    ) -> Batch<'a> {
        let mut batch =
            Batch { slices: [IoSlice::new(&[]); SLICES], length: 0, gap: gap.len(), bytes: 0, used: 0 };
        if !gap.is_empty() {
            batch.push(gap);
        }
        while batch.used < chunk.len() && batch.length + 3 <= SLICES {
            let rest = &chunk[batch.used..];
            let (prefix, text, end): (_, _, &[u8]) = match memchr(b'\n', rest) {
                Some(at) => (full, &rest[..=at], b""),
                None => (partial, rest, b"\n"),
            };
            let bytes = batch.bytes + prefix.len() + text.len() + end.len();
            if bytes as u64 > room && !(empty && batch.used == 0) {
                break;
            }
            batch.push(prefix);
            batch.push(text);
            if !end.is_empty() {
                batch.push(end);
            }
            batch.used += text.len();
        }
        batch
    }

    fn push(&mut self, slice: &'a [u8]) {
        self.slices[self.length] = IoSlice::new(slice);
        self.length += 1;
        self.bytes += slice.len();
    }

    /// Of the first `written` bytes, those that are whole records: in the file and of the chunk.
    fn whole_records(&self, written: usize) -> (usize, usize) {
        let (mut seen, mut whole, mut records) = (0, 0, 0);
        for slice in &self.slices[..self.length] {
            seen += slice.len();
            if seen > written {
                break;
            }
            if slice.last() == Some(&b'\n') {
                records += usize::from(seen > self.gap);
                whole = seen;
            }
        }
        // The partial record, which ends in a newline of its own, is the last: it is not among these.
        (whole, whole.saturating_sub(self.gap) - records * PREFIX)
    }
}
