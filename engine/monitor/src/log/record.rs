//! One line of a k8s-file log: `<RFC 3339 nano> stdout|stderr F|P <text>`. P: the line goes on in the stream's next record.

use memchr::memchr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'l> {
    pub(crate) time: &'l [u8],
    pub(crate) stream: Stream,
    pub(crate) partial: bool,
    pub(crate) text: &'l [u8],
}

/// Reads one line, without its newline.
pub(crate) fn parse(line: &[u8]) -> Option<Record<'_>> {
    let (time, rest) = line.split_at_checked(memchr(b' ', line)?)?;
    let (stream, rest) = match rest {
        [b' ', b's', b't', b'd', b'o', b'u', b't', b' ', rest @ ..] => (Stream::Stdout, rest),
        [b' ', b's', b't', b'd', b'e', b'r', b'r', b' ', rest @ ..] => (Stream::Stderr, rest),
        _ => return None,
    };
    match rest {
        [tag @ (b'F' | b'P'), b' ', text @ ..] => Some(Record { time, stream, partial: *tag == b'P', text }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_and_refuses_others() {
        let record = parse(b"2026-11-24T11:14:44.985292357+00:00 stdout P a b").unwrap();
        assert_eq!(record.time, b"2026-11-24T11:14:44.985292357+00:00");
        assert_eq!((record.stream, record.partial, record.text), (Stream::Stdout, true, &b"a b"[..]));
        let record = parse(b"t stderr F ").unwrap();
        assert_eq!((record.stream, record.partial, record.text), (Stream::Stderr, false, &b""[..]));
        for line in [&b""[..], b"t", b"t stdout", b"t stdin F x", b"t stdout X x", b"t stdout F"] {
            assert_eq!(parse(line), None, "{:?}", String::from_utf8_lossy(line));
        }
    }
}
