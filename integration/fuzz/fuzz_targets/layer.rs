//! A layer's tar stream: refused or read, in the same way however much of it comes at once, and passed over as it is read.

#![no_main]
#![allow(dead_code, reason = "of the module, what the engine alone uses")]

use std::io::{Cursor, Read, Result};

use entries::{Entries, Entry};
use libfuzzer_sys::fuzz_target;

// By its files: the engine has databases and TLS behind it, which would all be built for the fuzzer.
#[path = "../../../engine/lib/src/store/entries/mod.rs"]
mod entries;

/// Gives a byte or two at a time.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = buffer.len().min(self.0.len()).min(1 + self.0.len() % 2);
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// Entries with the bytes that are stored for each, and whether the archive was sound to its end.
fn read(source: impl Read) -> (Vec<(Entry, Vec<u8>)>, bool) {
    let (mut found, mut entries) = (Vec::new(), Entries::new(source));
    loop {
        let entry = match entries.next() {
            Ok(Some(entry)) => entry,
            end => return (found, end.is_ok()),
        };
        let mut stored = Vec::new();
        loop {
            let count = match entries.data() {
                Ok([]) => break,
                Ok(bytes) => {
                    stored.extend_from_slice(bytes);
                    bytes.len()
                }
                Err(_) => return (found, false),
            };
            entries.consume(count);
        }
        check(&entry, stored.len() as u64);
        found.push((entry, stored));
    }
}

/// Where bytes belong lies within the file, and is as much as is stored.
fn check(entry: &Entry, stored: u64) {
    let Some(segments) = &entry.sparse else { return assert_eq!(entry.size, stored) };
    let mut end = 0;
    for segment in segments {
        assert!(segment.offset >= end, "{entry:?}");
        end = segment.offset.checked_add(segment.length).expect("ends before the largest number");
    }
    assert!(end <= entry.size, "{entry:?}");
    assert_eq!(segments.iter().map(|segment| segment.length).sum::<u64>(), stored, "{entry:?}");
}

fuzz_target!(|bytes: &[u8]| {
    let (found, sound) = read(bytes);
    let (dripped, too) = read(Drip(bytes));
    assert!(found == dripped && sound == too);

    let mut entries = Entries::of_file(Cursor::new(bytes));
    for (entry, stored) in &found {
        let passed = entries.next().expect("was sound").expect("was there");
        assert_eq!(passed, *entry);
        let at = usize::try_from(entries.pass().expect("was sound")).expect("within the file");
        assert_eq!(bytes.get(at..at + stored.len()), Some(&stored[..]));
    }
});
