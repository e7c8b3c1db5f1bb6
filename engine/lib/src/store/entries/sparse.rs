//! Maps of sparse files: which parts of a file are stored.
//!
//! Four formats: in GNU headers (type `S`), in pax records one pair a record (0.0) or one list (0.1), and in the data
//! itself (1.0). See "Storing Sparse Files" in the GNU tar manual.

use std::io::Result;

use super::header::number;
use super::pax::decimal;
use super::{BLOCK, invalid};

/// A stored run of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Bound on the segments of one file, which have to be held in memory.
const MAX_SEGMENTS: usize = 1 << 20;

/// What pax records say.
#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) name: Option<Vec<u8>>,
    major: Option<u64>,
    real_size: Option<u64>,
    /// Offsets and lengths in turn.
    numbers: Option<Vec<u64>>,
}

impl Map {
    /// Takes one record, its key without `GNU.sparse.`.
    pub(super) fn record(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let number = || decimal(value).ok_or_else(|| invalid("bad number in a sparse map"));
        match key {
            b"major" => self.major = Some(number()?),
            b"size" | b"realsize" => self.real_size = Some(number()?),
            b"offset" | b"numbytes" => self.numbers.get_or_insert_default().push(number()?),
            b"map" => self.numbers = Some(list(value)?),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn in_data(&self) -> bool {
        self.major == Some(1)
    }

    /// The file's length; `stored` when the records do not say.
    pub(super) fn size(&self, stored: u64) -> u64 {
        self.real_size.unwrap_or(stored)
    }

    pub(super) fn segments(&self) -> Result<Option<Vec<Segment>>> {
        self.numbers.as_deref().map(pairs).transpose()
    }
}

/// The map of format 1.0 while it is read: a count, then as many offsets and lengths, a line each.
#[derive(Debug, Default)]
pub(super) struct Lines {
    numbers: Vec<u64>,
    partial: Vec<u8>,
}

impl Lines {
    pub(super) fn is_complete(&self) -> bool {
        self.numbers.first().is_some_and(|&count| self.numbers.len() as u64 > count.saturating_mul(2))
    }

    /// Takes one block; what follows the last number in it is padding.
    pub(super) fn feed(&mut self, block: &[u8; BLOCK]) -> Result<()> {
        for &byte in block {
            if self.is_complete() {
                break;
            }
            if byte != b'\n' {
                self.partial.push(byte);
                continue;
            }
            let number = decimal(&self.partial).ok_or_else(|| invalid("bad number in a sparse map"))?;
            self.numbers.push(number);
            self.partial.clear();
        }
        // A number has at most twenty digits.
        if self.partial.len() > 20 || self.numbers.len() > 2 * MAX_SEGMENTS {
            return Err(invalid("bad sparse map"));
        }
        Ok(())
    }

    pub(super) fn segments(&self) -> Result<Vec<Segment>> {
        pairs(&self.numbers[1..])
    }
}

/// Adds what an extension block of the GNU format holds; whether another one follows.
pub(super) fn extend(segments: &mut Vec<Segment>, block: &[u8; BLOCK]) -> Result<bool> {
    const MORE: usize = 21 * 24;
    collect(segments, &block[..MORE])?;
    Ok(block[MORE] != 0)
}

/// Adds pairs of numeric fields of 12 bytes, up to the first empty one.
pub(super) fn collect(segments: &mut Vec<Segment>, fields: &[u8]) -> Result<()> {
    let (pairs, _) = fields.as_chunks::<24>();
    for pair in pairs.iter().take_while(|pair| pair[0] != 0) {
        let field = |field| number(field).and_then(|number| u64::try_from(number).ok());
        let (Some(offset), Some(length)) = (field(&pair[..12]), field(&pair[12..])) else {
            return Err(invalid("bad number in a sparse map"));
        };
        segments.push(Segment { offset, length });
    }
    if segments.len() > MAX_SEGMENTS {
        return Err(invalid("sparse map too large"));
    }
    Ok(())
}

/// Segments are in order, apart, inside the file, and hold just what is stored.
pub(super) fn check(segments: &[Segment], size: u64, stored: u64) -> Result<()> {
    let (mut end, mut total) = (0, 0);
    for segment in segments {
        if segment.offset < end {
            return Err(invalid("sparse map out of order"));
        }
        end = segment.offset.checked_add(segment.length).ok_or_else(|| invalid("bad sparse map"))?;
        total += segment.length;
    }
    // A length is at most i64::MAX for the kernel.
    if end > size || total != stored || i64::try_from(size).is_err() {
        return Err(invalid("sparse map does not fit its file"));
    }
    Ok(())
}

fn list(value: &[u8]) -> Result<Vec<u64>> {
    value
        .split(|&byte| byte == b',')
        .map(|number| decimal(number).ok_or_else(|| invalid("bad number in a sparse map")))
        .collect()
}

fn pairs(numbers: &[u64]) -> Result<Vec<Segment>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(invalid("sparse map with an odd number of values"));
    }
    Ok(pairs.iter().map(|&[offset, length]| Segment { offset, length }).collect())
}
