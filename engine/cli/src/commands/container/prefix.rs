//! Lines with a name in front, and in a colour.

use std::io::{self, Write};

/// Back to the terminal's own colour (ECMA-48).
const RESET: &[u8] = b"\x1b[0m";

/// Empty is none, of both.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prefix<'a> {
    pub(super) name: &'a str,
    /// What switches to the colour.
    pub(super) color: &'a str,
}

/// Writes on, and begins each line with `<name> `.
pub(super) struct Prefixed<'a, W> {
    inner: W,
    prefix: Prefix<'a>,
    at_start: bool,
}

impl<W: Write> Prefixed<'_, W> {
    pub(super) fn new(inner: W, prefix: Prefix<'_>) -> Prefixed<'_, W> {
        Prefixed { inner, prefix, at_start: true }
    }
}

impl<W: Write> Write for Prefixed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Prefix { name, color } = self.prefix;
        if name.is_empty() && color.is_empty() {
            return self.inner.write(bytes);
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.inner.write_all(color.as_bytes())?;
            if self.at_start && !name.is_empty() {
                write!(self.inner, "{name} ")?;
            }
            self.at_start = line.ends_with(b"\n");
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            self.inner.write_all(text)?;
            if !color.is_empty() {
                self.inner.write_all(RESET)?;
            }
            self.inner.write_all(&line[text.len()..])?;
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

    fn written(prefix: Prefix<'_>) -> String {
        let mut text = Vec::new();
        let mut out = Prefixed::new(&mut text, prefix);
        for part in ["a\nb", "c\n", "\nd"] {
            out.write_all(part.as_bytes()).expect("memory takes it");
        }
        String::from_utf8(text).expect("it was text")
    }

    #[test]
    fn begins_each_line_once() {
        assert_eq!(written(Prefix { name: "web", color: "" }), "web a\nweb bc\nweb \nweb d");
    }

    #[test]
    fn colours_each_piece() {
        let text = written(Prefix { name: "w", color: "<" }).replace("\x1b[0m", ">");
        assert_eq!(text, "<w a>\n<w b><c>\n<w >\n<w d>");
        assert_eq!(written(Prefix { name: "", color: "" }), "a\nbc\n\nd");
    }
}
