//! Lines with a name in front.

use std::io::{self, Write};

/// Writes on, and begins each line with `<name> `; with an empty name, with nothing.
pub(super) struct Prefixed<'a, W> {
    inner: W,
    name: &'a str,
    at_start: bool,
}

impl<W: Write> Prefixed<'_, W> {
    pub(super) fn new(inner: W, name: &str) -> Prefixed<'_, W> {
        Prefixed { inner, name, at_start: true }
    }
}

impl<W: Write> Write for Prefixed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.name.is_empty() {
            return self.inner.write(bytes);
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.at_start {
                write!(self.inner, "{} ", self.name)?;
            }
            self.inner.write_all(line)?;
            self.at_start = line.ends_with(b"\n");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_each_line_once() {
        let mut text = Vec::new();
        let mut out = Prefixed::new(&mut text, "web");
        for part in ["a\nb", "c\n", "\nd"] {
            out.write_all(part.as_bytes()).expect("memory takes it");
        }
        assert_eq!(text, b"web a\nweb bc\nweb \nweb d");
    }
}
