//! Log records as text again: on the stream they came from, lines whole.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::SystemTime;

use super::Query;
use super::record::{self, Record, Stream};
use crate::clock;

/// Written out when this full, when the stream changes and before a wait.
const BUFFER: usize = 64 * 1024;

pub(super) struct Printer<'q> {
    query: &'q Query,
    outputs: [&'q mut dyn Write; 2],
    buffer: Vec<u8>,
    /// Where `buffer` goes.
    stream: Stream,
    /// By stream: its last record was partial.
    within_line: [bool; 2],
}

impl<'q> Printer<'q> {
    pub(super) fn new(query: &'q Query, out: &'q mut dyn Write, err: &'q mut dyn Write) -> Printer<'q> {
        let buffer = Vec::with_capacity(2 * BUFFER);
        Printer { query, outputs: [out, err], buffer, stream: Stream::Stdout, within_line: [false; 2] }
    }

    /// Prints one line of the log; Break when it is later than the query asks for.
    pub(super) fn line(&mut self, line: &[u8]) -> io::Result<ControlFlow<()>> {
        let Some(record) = record::parse(line) else {
            // Not of our making, or spoilt: better seen than hidden.
            self.turn_to(Stream::Stdout)?;
            self.buffer.extend_from_slice(line);
            self.buffer.push(b'\n');
            return Ok(ControlFlow::Continue(()));
        };
        if self.query.since.is_some() || self.query.until.is_some() {
            let time = clock::parse(record.time);
            if later(time, self.query.until) {
                return Ok(ControlFlow::Break(()));
            }
            if later(self.query.since, time) {
                return Ok(ControlFlow::Continue(()));
            }
        }
        self.print(&record)?;
        Ok(ControlFlow::Continue(()))
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        let output = &mut self.outputs[self.stream as usize];
        output.write_all(&self.buffer)?;
        self.buffer.clear();
        output.flush()
    }

    fn print(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.turn_to(record.stream)?;
        let within_line = &mut self.within_line[record.stream as usize];
        if self.query.timestamps && !*within_line {
            match record.time.strip_suffix(b"+00:00") {
                Some(utc) => {
                    self.buffer.extend_from_slice(utc);
                    self.buffer.push(b'Z');
                }
                None => self.buffer.extend_from_slice(record.time),
            }
            self.buffer.push(b' ');
        }
        *within_line = record.partial;
        self.buffer.extend_from_slice(record.text);
        if !record.partial {
            self.buffer.push(b'\n');
        }
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn turn_to(&mut self, stream: Stream) -> io::Result<()> {
        if self.stream != stream {
            self.flush()?;
            self.stream = stream;
        }
        Ok(())
    }
}

fn later(time: Option<SystemTime>, than: Option<SystemTime>) -> bool {
    matches!((time, than), (Some(time), Some(than)) if time > than)
}
