//! Where the last so many lines begin, found from the end.

use std::io;
use std::os::unix::fs::FileExt;

use memchr::{memchr, memrchr_iter};

use super::files::LogFile;

const BLOCK: u64 = 64 * 1024;
/// Room for a record's time, stream and tag.
const HEAD: usize = 64;

/// The file (by its place in `files`, oldest first) and the offset at which the last `lines` begin; None: all.
///
/// A line's end is a full record; the newest record ends one also when it is partial, for that line is unfinished.
pub(super) fn start(files: &[LogFile], lines: Option<usize>) -> io::Result<(usize, u64)> {
    let Some(lines) = lines else { return Ok((0, 0)) };
    let mut seen = 0;
    let mut newest = true;
    for (place, file) in files.iter().enumerate().rev() {
        let mut found = None;
        backwards(file, |end, full| {
            if !full && !newest {
                return false;
            }
            newest = false;
            if seen == lines {
                found = Some(end);
                return true;
            }
            seen += 1;
            false
        })?;
        if let Some(offset) = found {
            return Ok((place, offset));
        }
    }
    Ok((0, 0))
}

/// Calls `visit` with the end of each record and whether it is a full one, last first, until it returns true.
fn backwards(file: &LogFile, mut visit: impl FnMut(u64, bool) -> bool) -> io::Result<()> {
    let mut position = file.file.metadata()?.len();
    let mut block = vec![0; BLOCK as usize];
    // Offset after the newline that ends the record whose beginning is looked for; None before the first newline.
    let mut end: Option<u64> = None;
    while position > 0 {
        let length = position.min(BLOCK);
        position -= length;
        let bytes = &mut block[..length as usize];
        file.file.read_exact_at(bytes, position)?;
        for newline in memrchr_iter(b'\n', bytes) {
            let start = position + newline as u64 + 1;
            if let Some(end) = end.replace(start) {
                let head = &bytes[newline + 1..];
                if visit(end, is_full(file, start, head)?) {
                    return Ok(());
                }
            }
        }
    }
    if let Some(end) = end {
        visit(end, is_full(file, 0, &[])?);
    }
    Ok(())
}

/// Whether the record at `start` ends its line. `head`: what of it has been read already.
fn is_full(file: &LogFile, start: u64, head: &[u8]) -> io::Result<bool> {
    if head.len() >= HEAD {
        return Ok(tag_is_full(head));
    }
    let mut head = [0; HEAD];
    let length = file.file.read_at(&mut head, start)?;
    Ok(tag_is_full(&head[..length]))
}

/// `<time> stdout|stderr F|P `; a line that is no record counts as one of its own.
fn tag_is_full(head: &[u8]) -> bool {
    let tag = memchr(b' ', head).and_then(|space| head.get(space + 8));
    tag != Some(&b'P')
}
