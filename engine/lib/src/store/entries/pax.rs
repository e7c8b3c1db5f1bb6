//! pax extended headers: `length key=value\n` records that replace or add to a header's fields.

use std::io::Result;

use super::sparse::Map;
use super::{Entry, invalid};

/// Key and value, in order.
pub(super) type Records = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn parse(mut bytes: &[u8]) -> Result<Records> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let bad = || invalid("bad pax record");
        let space = bytes.iter().position(|&byte| byte == b' ').ok_or_else(bad)?;
        let length =
            decimal(&bytes[..space]).and_then(|length| usize::try_from(length).ok()).ok_or_else(bad)?;
        let record =
            bytes.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(bad)?;
        // A value may hold anything, a line feed and an equals sign too; a key holds neither.
        let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(bad)?;
        records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        bytes = &bytes[length..];
    }
    Ok(records)
}

/// Applies `records` to `entry` and collects what they say about holes. The stored size, when they set it.
pub(super) fn apply(records: Records, entry: &mut Entry, map: &mut Map) -> Result<Option<u64>> {
    let mut size = None;
    for (key, value) in records {
        // An empty value takes a record of a global header back, and we know no global headers.
        if value.is_empty() {
            continue;
        }
        match key.as_slice() {
            b"path" => entry.path = without_nul(value)?,
            b"linkpath" => entry.link = without_nul(value)?,
            b"size" => size = Some(decimal(&value).ok_or_else(|| invalid("bad size"))?),
            b"uid" => entry.uid = owner(&value)?,
            b"gid" => entry.gid = owner(&value)?,
            b"mtime" => entry.mtime = time(&value).ok_or_else(|| invalid("bad time"))?,
            b"GNU.sparse.name" => map.name = Some(without_nul(value)?),
            key if key.starts_with(b"GNU.sparse.") => map.record(&key[b"GNU.sparse.".len()..], &value)?,
            key => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    entry.xattrs.push((name.to_vec(), value));
                }
            }
        }
    }
    // `path` of a sparse file is a made-up one, for readers that do not know the format.
    if let Some(name) = map.name.take() {
        entry.path = name;
    }
    Ok(size)
}

pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn owner(value: &[u8]) -> Result<u32> {
    decimal(value).and_then(|id| u32::try_from(id).ok()).ok_or_else(|| invalid("bad owner"))
}

/// `-1.5` is half a second before -1, so seconds are rounded down and nanoseconds count up.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanoseconds: u32 = format!("{fraction:0<9}")[..9].parse().ok()?;
    match (whole.starts_with('-'), nanoseconds) {
        (true, 1..) => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        _ => Some((seconds, nanoseconds)),
    }
}

fn without_nul(value: Vec<u8>) -> Result<Vec<u8>> {
    if value.contains(&0) { Err(invalid("NUL in a name")) } else { Ok(value) }
}
