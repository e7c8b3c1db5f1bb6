use std::io::{Cursor, Read};

use super::pax;
use super::*;

fn tar(entries: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    entries(&mut builder);
    builder.into_inner().unwrap()
}

fn file(builder: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, path, content).unwrap();
}

/// Gives one byte a call, as a slow connection might.
struct Drip<R>(R);

impl<R: Read> Read for Drip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let limit = buffer.len().min(1);
        self.0.read(&mut buffer[..limit])
    }
}

fn contents(mut entries: Entries<impl Read>) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(entry) = entries.next().unwrap() {
        let mut content = Vec::new();
        loop {
            let chunk = entries.data().unwrap();
            if chunk.is_empty() {
                break;
            }
            content.extend_from_slice(chunk);
            let count = chunk.len();
            entries.consume(count);
        }
        all.push((String::from_utf8(entry.path).unwrap(), content));
    }
    all
}

#[test]
fn reads_whatever_the_pieces() {
    let big: Vec<u8> = (0..BUFFER * 2 + 77).map(|n| n as u8).collect();
    let long = "long/".repeat(60) + "name";
    let bytes = tar(|builder| {
        file(builder, "empty", b"");
        file(builder, "big", &big);
        file(builder, &long, b"x");
    });
    let expected = [("empty".to_owned(), Vec::new()), ("big".to_owned(), big), (long, b"x".to_vec())];
    assert_eq!(contents(Entries::new(bytes.as_slice())), expected);
    assert_eq!(contents(Entries::new(Drip(bytes.as_slice()))), expected);
}

#[test]
fn passes_over_what_is_not_wanted() {
    let bytes = tar(|builder| {
        file(builder, "a", &vec![1; 100_000]);
        file(builder, "b", b"b");
    });
    let mut entries = Entries::of_file(Cursor::new(&bytes));
    let mut found = Vec::new();
    while let Some(entry) = entries.next().unwrap() {
        let offset = usize::try_from(entries.pass().unwrap()).unwrap();
        found.push((entry.path, bytes[offset]));
    }
    assert_eq!(found, [(b"a".to_vec(), 1), (b"b".to_vec(), b'b')]);
}

#[test]
fn ends_where_it_ends() {
    let bytes = tar(|builder| file(builder, "a", b"content"));
    for length in 0..=bytes.len() {
        let mut entries = Entries::new(&bytes[..length]);
        let result = entries.next().and_then(|entry| {
            let is_there = entry.is_some();
            while entries.next()?.is_some() {}
            Ok(is_there)
        });
        // Nothing at all, or the entry with its padding; what follows may be missing.
        match length {
            0 => assert!(!result.unwrap()),
            1024 | 1536.. => assert!(result.unwrap(), "{length}"),
            _ => assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof, "{length}"),
        }
    }
}

#[test]
fn numbers() {
    for (field, number) in [
        (&b"0000644\0"[..], Some(0o644)),
        (b"  644 \0\0", Some(0o644)),
        (b"\0\0\0\0\0\0\0\0", Some(0)),
        (b"        ", Some(0)),
        (b"644\0junk", Some(0o644)),
        (b"0000008\0", None),
        (b"-1\0\0\0\0\0\0", Some(-1)),
        (b"\x80\0\0\0\0\0\0\x01", Some(1)),
        (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
        (b"\x80\0\0\0\0\0\0\0\0\x10\0\0", Some(1 << 20)),
        (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
        (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", None),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
    ] {
        assert_eq!(header::number(field), number, "{field:x?}");
    }
}

#[test]
fn pax_records() {
    let pair = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    for (bytes, records) in [
        (&b""[..], Some(vec![])),
        (b"8 a=bcd\n", Some(vec![pair(b"a", b"bcd")])),
        (b"9 a=b\nc=\n6 x=y\n", Some(vec![pair(b"a", b"b\nc="), pair(b"x", b"y")])),
        (b"5 a=\n", Some(vec![pair(b"a", b"")])),
        (b"5 ab\n", None),
        (b"9 a=bcd\n", None),
        (b"7 a=bcd\n", None),
        (b"0 a=b\n", None),
        (b"99999999999999999999 a=b\n", None),
        (b"+8 a=bcd\n", None),
        (b"a=b\n", None),
    ] {
        assert_eq!(pax::parse(bytes).ok(), records, "{:?}", String::from_utf8_lossy(bytes));
    }
}
