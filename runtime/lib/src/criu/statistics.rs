//! What CRIU has measured: `stats-dump` and `stats-restore` in its work directory, an image like all others: two magic
//! numbers, and a message with its length before it.

use std::path::Path;

use prost::Message as _;

/// `dump_stats_entry`; times in microseconds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Dump {
    #[prost(uint32, required, tag = "1")]
    pub freezing_time: u32,
    #[prost(uint32, required, tag = "2")]
    pub frozen_time: u32,
    #[prost(uint32, required, tag = "3")]
    pub memdump_time: u32,
    #[prost(uint32, required, tag = "4")]
    pub memwrite_time: u32,
    #[prost(uint64, required, tag = "5")]
    pub pages_scanned: u64,
    #[prost(uint64, required, tag = "6")]
    pub pages_skipped_parent: u64,
    #[prost(uint64, required, tag = "7")]
    pub pages_written: u64,
}

/// `restore_stats_entry`; times in microseconds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Restore {
    #[prost(uint64, required, tag = "1")]
    pub pages_compared: u64,
    #[prost(uint64, required, tag = "2")]
    pub pages_skipped_cow: u64,
    #[prost(uint32, required, tag = "3")]
    pub forking_time: u32,
    #[prost(uint32, required, tag = "4")]
    pub restore_time: u32,
    #[prost(uint64, optional, tag = "5")]
    pub pages_restored: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    dump: Option<Dump>,
    #[prost(message, optional, tag = "2")]
    restore: Option<Restore>,
}

/// File names in the work directory.
pub const DUMP: &str = "stats-dump";
pub const RESTORE: &str = "stats-restore";

/// Those of a dump; None when there are none.
pub fn of_dump(work: &Path) -> Option<Dump> {
    parse(&std::fs::read(work.join(DUMP)).ok()?)?.dump
}

/// Those of a restore; None when there are none.
pub fn of_restore(work: &Path) -> Option<Restore> {
    parse(&std::fs::read(work.join(RESTORE)).ok()?)?.restore
}

fn parse(bytes: &[u8]) -> Option<Entry> {
    let (_magic, rest) = bytes.split_at_checked(8)?;
    let (length, rest) = rest.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    Entry::decode(rest.get(..usize::try_from(length).ok()?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As CRIU 4.2 wrote it.
    #[test]
    fn a_file_of_criu() {
        let mut bytes = b"@Y\x10U\x063\tW\x15\0\0\0\n\x13".to_vec();
        bytes.extend([0x08, 0x89, 0x92, 0x06, 0x10, 0xec, 0xbb, 0x03, 0x18, 0x87, 0x04, 0x20, 0x71]);
        bytes.extend([0x28, 0x30, 0x30, 0x00, 0x38, 0x22]);
        let dump = parse(&bytes).expect("statistics").dump.expect("of a dump");
        assert_eq!((dump.freezing_time, dump.frozen_time, dump.pages_scanned), (100_617, 56_812, 48));
        assert_eq!(dump.pages_written, 34);
        assert!(parse(&bytes[..20]).is_none());
    }
}
