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
        let name = if stream == Stream::Stdout { "stdout" } else { "stderr" };
        let [full, partial] = prefixes(name);
        let mut rest = chunk;
        while !rest.is_empty() {
            let room = self.max_size.saturating_sub(self.size);
            let (batch, bytes, used) = batch(rest, &full, &partial, room, self.size == 0);
            if used == 0 {
                if let Err(cause) = self.rotate() {
                    self.lose(rest.len(), cause);
                    return;
                }
                continue;
            }
            self.append(batch, bytes, used);
            rest = &rest[used..];
        }
    }

    /// A line of the monitor's own.
    pub(crate) fn note(&mut self, text: &str) {
        let [full, _] = prefixes("stderr");
        let line = [&full[..], b"ketch: ", text.replace('\n', " ").as_bytes(), b"\n"].concat();
        let length = line.len();
        self.append(Batch::one(&line), length, length);
    }

    /// Appends whole records, or none of them.
    fn append(&mut self, mut batch: Batch<'_>, bytes: usize, used: usize) {
        if let Some(lost) = self.lost.take() {
            let text = format!("{} bytes of output could not be logged: {}", lost.bytes, lost.cause);
            let [full, _] = prefixes("stderr");
            let line = [&full[..], b"ketch: ", text.as_bytes(), b"\n"].concat();
            if self.write_all(&mut [IoSlice::new(&line)], line.len()).is_err() {
                self.lost = Some(Lost { bytes: lost.bytes + used as u64, cause: lost.cause });
                return;
            }
        }
        let slices = &mut batch.slices[..batch.length];
        if let Err(cause) = self.write_all(slices, bytes) {
            self.lose(used, cause);
        }
    }

    fn write_all(&mut self, mut slices: &mut [IoSlice<'_>], bytes: usize) -> io::Result<()> {
        while !slices.is_empty() {
            let error = match self.file.write_vectored(slices) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(length) => {
                    IoSlice::advance_slices(&mut slices, length);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            // Half a record would spoil the next one. A file that cannot be cut back keeps it.
            let _ = self.file.set_len(self.size);
            return Err(error);
        }
        self.size += bytes as u64;
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

/// What a full and a partial record begin with.
fn prefixes(stream: &str) -> [Vec<u8>; 2] {
    let stamp = clock::stamp(SystemTime::now());
    [b" F ", b" P "].map(|tag| [&stamp[..], b"+00:00 ", stream.as_bytes(), tag].concat())
}

struct Batch<'a> {
    slices: [IoSlice<'a>; SLICES],
    length: usize,
}

impl<'a> Batch<'a> {
    fn new() -> Batch<'a> {
        Batch { slices: [IoSlice::new(&[]); SLICES], length: 0 }
    }

    fn one(line: &'a [u8]) -> Batch<'a> {
        let mut batch = Batch::new();
        batch.push(line);
        batch
    }

    fn push(&mut self, slice: &'a [u8]) {
        self.slices[self.length] = IoSlice::new(slice);
        self.length += 1;
    }
}

/// As many records as fit into one call and `room` bytes, but at least one when `empty` says that the file has
/// none. Returns them with their bytes in the file and in `chunk`.
fn batch<'a>(
    chunk: &'a [u8],
    full: &'a [u8],
    partial: &'a [u8],
    room: u64,
    empty: bool,
) -> (Batch<'a>, usize, usize) {
    let mut batch = Batch::new();
    let (mut bytes, mut used) = (0, 0);
    while used < chunk.len() && batch.length + 3 <= SLICES {
        let rest = &chunk[used..];
        let (prefix, text, end): (_, _, &[u8]) = match memchr(b'\n', rest) {
            Some(at) => (full, &rest[..=at], b""),
            None => (partial, rest, b"\n"),
        };
        let length = prefix.len() + text.len() + end.len();
        if (bytes + length) as u64 > room && !(empty && bytes == 0) {
            break;
        }
        batch.push(prefix);
        batch.push(text);
        if !end.is_empty() {
            batch.push(end);
        }
        bytes += length;
        used += text.len();
    }
    (batch, bytes, used)
}
