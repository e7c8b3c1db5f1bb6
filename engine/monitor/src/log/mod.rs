//! Container logs: the k8s-file format (`<RFC 3339 nano> stdout|stderr F|P <text>`), rotation and reading.

mod files;
mod follow;
mod printer;
mod record;
mod tail;
mod writer;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::SystemTime;

use memchr::memchr;

use files::LogFile;
use follow::Follower;
use printer::Printer;
pub(crate) use record::Stream;
pub(crate) use writer::Writer;

/// What `ketch logs` was asked for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only the last so many lines; None: all.
    pub tail: Option<usize>,
    pub since: Option<SystemTime>,
    pub until: Option<SystemTime>,
    /// Go on with new lines until the container ends (its lock is free).
    pub follow: bool,
    pub timestamps: bool,
}

/// Prints to `out`/`err`; returns when all is printed, or, following, when the container has ended.
///
/// The parts of a line that was written in pieces are joined, and with `timestamps` carry the first one's time.
/// `out` and `err` get large pieces in the order of the log, and are flushed.
pub fn read(
    log: &Path,
    run_dir: &Path,
    query: &Query,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    // Before anything is read, so that nothing written meanwhile goes unnoticed.
    let mut follower = if query.follow { Follower::begin(log, run_dir, query.until)? } else { None };
    let mut files = files::open_all(log)?;
    let (first, offset) = tail::start(&files, query.tail)?;
    files.drain(..first);
    if let Some(first) = files.first_mut() {
        first.file.seek(SeekFrom::Start(offset))?;
    }

    let mut reader = Reader { printer: Printer::new(query, out, err), buffer: vec![0; 64 * 1024], filled: 0 };
    let mut current: Option<LogFile> = None;
    loop {
        // Those that have a newer one beside them are complete: the last one read is read to its end first.
        for mut file in current.take().into_iter().chain(files) {
            if reader.copy(&mut file.file)?.is_break() {
                return reader.printer.flush();
            }
            current = Some(file);
        }
        reader.printer.flush()?;
        let Some(following) = &mut follower else { return Ok(()) };
        if following.wait()? {
            follower = None;
        }
        files = files::newer(log, current.as_ref().map(|file| file.identity))?;
    }
}

struct Reader<'q> {
    printer: Printer<'q>,
    buffer: Vec<u8>,
    /// How much of `buffer` is a line whose end is yet to come.
    filled: usize,
}

impl Reader<'_> {
    /// Prints from where `file` stands to its end, or to `until`: Break.
    fn copy(&mut self, file: &mut File) -> io::Result<ControlFlow<()>> {
        // With one file only, rotation empties it.
        if file.stream_position()? > file.metadata()?.len() {
            file.rewind()?;
            self.filled = 0;
        }
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(2 * self.filled, 0);
            }
            let length = file.read(&mut self.buffer[self.filled..])?;
            if length == 0 {
                return Ok(ControlFlow::Continue(()));
            }
            self.filled += length;
            let mut start = 0;
            while let Some(length) = memchr(b'\n', &self.buffer[start..self.filled]) {
                if self.printer.line(&self.buffer[start..start + length])?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                start += length + 1;
            }
            self.buffer.copy_within(start..self.filled, 0);
            self.filled -= start;
        }
    }
}
