//! What messages about interfaces have in common: rtnetlink(7), "RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK".

use super::message::Writer;

pub const NEW_LINK: u16 = 16;
pub const GET_LINK: u16 = 18;

pub const IFNAME: u16 = 3;
pub const NET_NS_FD: u16 = 28;
const EXT_MASK: u16 = 29;
/// RTEXT_FILTER_SKIP_STATS: the counters are half of an answer.
const SKIP_STATS: u32 = 1 << 3;

/// How a `GET_LINK` begins, for the interface `index`. 0: attributes name it, or all are asked for.
pub fn ask(message: &mut Writer<'_>, index: u32) {
    message.raw(&header(index, 0));
    message.number(EXT_MASK, SKIP_STATS);
}

/// ifinfomsg: family, type, index, flags and which of them to change. Nothing but up is ever changed.
pub fn header(index: u32, flags: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&flags.to_ne_bytes());
    bytes
}
