//! One header block: the fields that old, ustar and GNU headers share, and where they part.

use std::io::Result;
use std::ops::Range;

use super::sparse::{self, Segment};
use super::{BLOCK, Entry, Kind, invalid, until_nul};

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const FLAG: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const MAJOR: Range<usize> = 329..337;
const MINOR: Range<usize> = 337..345;
/// ustar only; GNU keeps times and sparse segments here.
const PREFIX: Range<usize> = 345..500;
/// GNU only: four segments of two numbers of 12 bytes, whether more follow, the length with holes.
const SPARSE: Range<usize> = 386..482;
const SPARSE_MORE: usize = 482;
const REAL_SIZE: Range<usize> = 483..495;

/// A block whose checksum is right.
pub(super) struct Header([u8; BLOCK]);

impl Header {
    pub(super) fn new(block: [u8; BLOCK]) -> Result<Header> {
        let expected = number(&block[CHECKSUM]).ok_or_else(|| invalid("bad header checksum"))?;
        let outside = || block[..CHECKSUM.start].iter().chain(&block[CHECKSUM.end..]);
        let blanks = 8 * i64::from(b' ');
        // The field counts as blanks. Some old writers summed signed characters.
        let unsigned = blanks + outside().map(|&byte| i64::from(byte)).sum::<i64>();
        let signed = blanks + outside().map(|&byte| i64::from(byte.cast_signed())).sum::<i64>();
        if expected != unsigned && expected != signed {
            return Err(invalid("wrong header checksum"));
        }
        Ok(Header(block))
    }

    pub(super) fn flag(&self) -> u8 {
        self.0[FLAG]
    }

    /// Stored bytes behind the header.
    pub(super) fn size(&self) -> Result<u64> {
        self.field(SIZE, "size")
    }

    /// Length of a sparse file of the old GNU format.
    pub(super) fn real_size(&self) -> Result<u64> {
        self.field(REAL_SIZE, "size of a sparse file")
    }

    /// The first segments of the old GNU format, and whether blocks with more follow.
    pub(super) fn sparse(&self) -> Result<(Vec<Segment>, bool)> {
        let mut segments = Vec::new();
        sparse::collect(&mut segments, &self.0[SPARSE])?;
        Ok((segments, self.0[SPARSE_MORE] != 0))
    }

    pub(super) fn entry(&self) -> Result<Entry> {
        let kind = self.kind()?;
        let device = if matches!(kind, Kind::Char | Kind::Block) {
            (self.field(MAJOR, "device")?, self.field(MINOR, "device")?)
        } else {
            (0, 0)
        };
        Ok(Entry {
            path: self.path(),
            link: until_nul(self.0[LINK].to_vec()),
            kind,
            mode: (self.field(MODE, "mode")? & 0o7777) as u32,
            uid: u32::try_from(self.field(UID, "owner")?).map_err(|_| invalid("bad owner"))?,
            gid: u32::try_from(self.field(GID, "group")?).map_err(|_| invalid("bad group"))?,
            mtime: (number(&self.0[MTIME]).ok_or_else(|| invalid("bad time"))?, 0),
            device,
            xattrs: Vec::new(),
            size: 0,
            sparse: None,
        })
    }

    fn kind(&self) -> Result<Kind> {
        Ok(match self.flag() {
            0 | b'0' | b'7' => Kind::File,
            b'S' if self.is_gnu() => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Char,
            b'4' => Kind::Block,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            flag => return Err(invalid(&format!("unknown entry type {:?}", char::from(flag)))),
        })
    }

    fn path(&self) -> Vec<u8> {
        let name = until_nul(self.0[NAME].to_vec());
        let is_ustar = self.0[MAGIC].starts_with(b"ustar\0");
        let mut path = if is_ustar { until_nul(self.0[PREFIX].to_vec()) } else { Vec::new() };
        if path.is_empty() {
            return name;
        }
        path.push(b'/');
        path.extend_from_slice(&name);
        path
    }

    fn is_gnu(&self) -> bool {
        &self.0[MAGIC] == b"ustar  \0"
    }

    fn field(&self, range: Range<usize>, what: &str) -> Result<u64> {
        number(&self.0[range])
            .and_then(|number| u64::try_from(number).ok())
            .ok_or_else(|| invalid(&format!("bad {what}")))
    }
}

/// A numeric field: octal digits between blanks and NULs, or, with the highest bit set, a binary number of GNU's.
/// An empty field is zero.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        return binary(field);
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    // A NUL ends the field, whatever stands behind it.
    let digits = digits.split('\0').next()?.trim_end();
    if digits.is_empty() { Some(0) } else { i64::from_str_radix(digits, 8).ok() }
}

/// Big-endian two's complement, the sign in the second highest bit of the first byte.
fn binary(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let (high, low) = field.split_at(field.len() - 8);
    let fill = if negative { 0xff } else { 0 };
    let mut bytes: [u8; 8] = low.try_into().ok()?;
    if high.is_empty() {
        bytes[0] = first;
    } else if first != fill || high[1..].iter().any(|&byte| byte != fill) {
        return None;
    }
    let number = i64::from_be_bytes(bytes);
    (number.is_negative() == negative).then_some(number)
}
