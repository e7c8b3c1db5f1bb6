//! The wire format of netlink(7): messages, and attributes in them.

use ketch_sys::Errno;

const HEADER: usize = 16;
const ATTRIBUTE: usize = 4;
/// Where a message's flags and sequence number stand in its header.
const FLAGS: usize = 6;
const SEQUENCE: usize = 8;

/// Messages that are sent by one system call. Each has a sequence number: its place, from 1.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    steps: Vec<Step>,
    /// The sequence number of the last message that is answered in any case.
    answered: usize,
}

/// What a message is for, to be named when it fails.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) object: String,
    /// An answer that is as good as success.
    pub(super) tolerated: Option<Errno>,
    /// Where the message begins.
    start: usize,
}

impl Batch {
    /// Appends a message. `body` writes the fixed header of its family, then attributes.
    pub fn push(
        &mut self,
        (name, object): (&'static str, &str),
        kind: u16,
        flags: u16,
        body: impl FnOnce(&mut Writer<'_>),
    ) {
        let start = self.bytes.len();
        self.steps.push(Step { name, object: object.to_owned(), tolerated: None, start });
        let sequence = self.steps.len() as u32;
        // nlmsghdr: length (filled in below), type, flags, sequence number, port id (the kernel fills it in).
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        body(&mut Writer { bytes: &mut self.bytes });
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Takes `errno` as success of the message that was pushed last.
    pub fn tolerate(&mut self, errno: Errno) {
        if let Some(step) = self.steps.last_mut() {
            step.tolerated = Some(errno);
        }
    }

    /// Has the kernel answer the message that was pushed last also when it succeeds. The others are answered when
    /// they fail.
    pub fn acknowledge(&mut self) {
        if let Some(step) = self.steps.last() {
            let at = step.start + FLAGS;
            let flags = u16::from_ne_bytes([self.bytes[at], self.bytes[at + 1]]) | ACK;
            self.bytes[at..at + 2].copy_from_slice(&flags.to_ne_bytes());
            self.answered = self.steps.len();
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many messages are in it.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The sequence number of the last message that is answered in any case.
    pub(super) fn answered(&self) -> usize {
        self.answered
    }

    pub(super) fn step(&self, sequence: u32) -> Option<&Step> {
        self.steps.get((sequence as usize).checked_sub(1)?)
    }
}

const REQUEST: u16 = 1;
const ACK: u16 = 4;

/// NLM_F_DUMP, _EXCL, _CREATE, _APPEND.
pub const DUMP: u16 = 0x300;
pub const EXCL: u16 = 0x200;
pub const CREATE: u16 = 0x400;
pub const APPEND: u16 = 0x800;

/// Writes one message's body.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// Plain bytes: the fixed header of a family.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.align();
    }

    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend_from_slice(&((ATTRIBUTE + value.len()) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.align();
    }

    /// A number in the machine's byte order, as rtnetlink has them.
    pub fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// A number in network byte order, as nf_tables has them.
    pub fn big(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// A string, ended by NUL.
    pub fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.attribute(kind, &bytes);
    }

    /// An attribute that consists of attributes.
    pub fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Writer<'_>)) {
        self.nest_plain(kind | NESTED, body);
    }

    /// The same without the flag, which some old families refuse.
    pub fn nest_plain(&mut self, kind: u16, body: impl FnOnce(&mut Writer<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        body(&mut Writer { bytes: self.bytes });
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn align(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }
}

/// NLA_F_NESTED, and with NLA_F_NET_BYTEORDER what is not part of an attribute's type.
const NESTED: u16 = 1 << 15;
const NOT_TYPE: u16 = 0xc000;

fn aligned(length: usize) -> usize {
    length.div_ceil(4) * 4
}

/// A message as received.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    pub kind: u16,
    pub sequence: u32,
    pub body: &'a [u8],
}

/// The messages in one datagram. The last may be cut off: an error comes with the whole request, which nobody needs.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let length = read_u32(bytes, 0)? as usize;
        let body = bytes.get(HEADER..length.min(bytes.len()))?;
        let kind = read_u16(bytes, 4)?;
        let sequence = read_u32(bytes, SEQUENCE)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some(Received { kind, sequence, body })
    })
}

/// The attributes in `bytes`: type and value.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = read_u16(bytes, 0)? as usize;
        let kind = read_u16(bytes, 2)? & !NOT_TYPE;
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of a type.
pub fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(found, value)| (found == kind).then_some(value))
}

pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A string attribute, without its NUL.
pub fn read_text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests;
