//! What goes over the attach socket: one tag byte and its payload, a packet each.
//!
//! A client's first packet is [`HELLO`], answered with [`READY`]. Both ends are the same binary.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd};

use ketch_sys::{Errno, Result};
use nix::sys::socket::{MsgFlags, UnixAddr, recv, sendmsg};

/// client → monitor: one byte, the streams it wants ([`STDIN`] | [`STDOUT`] | [`STDERR`]).
pub(crate) const HELLO: u8 = b'h';
/// client → monitor: bytes for the container's stdin.
pub(crate) const INPUT: u8 = b'i';
/// client → monitor: there is no more input.
pub(crate) const INPUT_END: u8 = b'e';
/// client → monitor: rows and columns, two u16.
pub(crate) const RESIZE: u8 = b'w';
/// client → monitor: a signal for init, one i32.
pub(crate) const SIGNAL: u8 = b's';
/// client → monitor: start the container, which was kept; one byte, whether its stdin closes with the first client's.
pub(crate) const START: u8 = b'g';
/// client → monitor: an `Option<HealthTimer>` as JSON, in place of the one that the container was started with.
pub(crate) const HEALTH: u8 = b'c';
/// monitor → client: it has been, init's pid, one i32; or it cannot be: an exit code, one i32, and the reason.
pub(crate) const STARTED: u8 = b'G';
pub(crate) const FAILED: u8 = b'F';
/// monitor → client: from here on no output is missed.
pub(crate) const READY: u8 = b'r';
/// monitor → client: bytes of the container's stdout (or terminal), stderr.
pub(crate) const OUTPUT: u8 = b'1';
pub(crate) const ERROR: u8 = b'2';
/// monitor → client: the exit code, one i32. The last packet.
pub(crate) const EXIT: u8 = b'x';

pub(crate) const STDIN: u8 = 1;
pub(crate) const STDOUT: u8 = 2;
pub(crate) const STDERR: u8 = 4;

/// Most payload bytes from the monitor: what a pipe holds.
pub(crate) const OUTPUT_MAX: usize = 64 * 1024;
/// Most payload bytes from a client: what a terminal's line discipline holds.
pub(crate) const INPUT_MAX: usize = 4096;

/// Sends one packet without waiting: EAGAIN when the other end is slow, EPIPE when it is gone.
pub(crate) fn send(socket: impl AsFd, tag: u8, payload: &[u8]) -> Result<()> {
    let tag = [tag];
    let parts = [IoSlice::new(&tag), IoSlice::new(payload)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    loop {
        match sendmsg::<UnixAddr>(socket.as_fd().as_raw_fd(), &parts, &[], flags, None) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// Receives one packet, tag first, without waiting; empty at the end.
pub(crate) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<&[u8]> {
    receive_with(socket, buffer, MsgFlags::MSG_DONTWAIT)
}

/// Receives one packet, waiting for it.
pub(crate) fn wait(socket: impl AsFd, buffer: &mut [u8]) -> Result<&[u8]> {
    receive_with(socket, buffer, MsgFlags::empty())
}

fn receive_with(socket: impl AsFd, buffer: &mut [u8], flags: MsgFlags) -> Result<&[u8]> {
    loop {
        match recv(socket.as_fd().as_raw_fd(), buffer, flags) {
            // ECONNRESET, told once: the other end has closed without reading all. What it sent before is still here.
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
            result => return result.map(|length| &buffer[..length]),
        }
    }
}

pub(crate) fn size(rows: u16, columns: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (rows.to_ne_bytes(), columns.to_ne_bytes());
    [a, b, c, d]
}

pub(crate) fn parse_size(payload: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = payload.try_into().ok()?;
    Some((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
}

pub(crate) fn parse_number(payload: &[u8]) -> Option<i32> {
    payload.try_into().ok().map(i32::from_ne_bytes)
}
