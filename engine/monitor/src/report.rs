//! How a new monitor and the command that started it talk: packets over one socket pair.
//!
//! monitor: created, or failed; command: go, or undo; monitor: started, or failed. A command that closes its end
//! before `go` has died.

use std::os::fd::{AsFd, AsRawFd};

use ketch_sys::{Errno, Result};
use nix::sys::socket::{MsgFlags, recv, send};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The container exists and its attach socket is bound.
    Created,
    /// Let init go.
    Go,
    /// Undo the container: the command waits for that.
    Undo,
    /// Keep the container as it is until another command lets it go; the command waits for the answer, which is the same.
    Keep,
    /// init, by pid, has called `execve`.
    Started(i32),
    Failed {
        code: i32,
        message: String,
    },
}

/// A longer message is cut: it has to fit a packet.
const MESSAGE_MAX: usize = 16 * 1024;

impl Report {
    pub(crate) fn send(&self, socket: impl AsFd) -> Result<()> {
        let packet = self.encode();
        loop {
            match send(socket.as_fd().as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL) {
                Err(Errno::EINTR) => {}
                result => return result.map(drop),
            }
        }
    }

    /// Waits for the next one; None when the other end is closed.
    pub(crate) fn receive(socket: impl AsFd) -> Result<Option<Report>> {
        let mut packet = vec![0; MESSAGE_MAX + 8];
        loop {
            match recv(socket.as_fd().as_raw_fd(), &mut packet, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
                Ok(length) => return Report::decode(&packet[..length]).ok_or(Errno::EBADMSG).map(Some),
                Err(errno) => return Err(errno),
            }
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Report::Created => vec![b'c'],
            Report::Go => vec![b'g'],
            Report::Undo => vec![b'u'],
            Report::Keep => vec![b'k'],
            Report::Started(pid) => [&b"s"[..], &pid.to_ne_bytes()].concat(),
            Report::Failed { code, message } => {
                let message = &message.as_bytes()[..message.len().min(MESSAGE_MAX)];
                [&b"f"[..], &code.to_ne_bytes(), message].concat()
            }
        }
    }

    fn decode(packet: &[u8]) -> Option<Report> {
        let number = |bytes: &[u8]| bytes.try_into().ok().map(i32::from_ne_bytes);
        match packet {
            [b'c'] => Some(Report::Created),
            [b'g'] => Some(Report::Go),
            [b'u'] => Some(Report::Undo),
            [b'k'] => Some(Report::Keep),
            [b's', pid @ ..] => Some(Report::Started(number(pid)?)),
            [b'f', rest @ ..] => {
                let (code, message) = rest.split_at_checked(4)?;
                Some(Report::Failed {
                    code: number(code)?,
                    message: String::from_utf8_lossy(message).into_owned(),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crosses_unharmed() {
        for report in [
            Report::Created,
            Report::Go,
            Report::Undo,
            Report::Keep,
            Report::Started(12345),
            Report::Failed { code: 127, message: "cannot execute x: no such file or directory".into() },
        ] {
            assert_eq!(Report::decode(&report.encode()), Some(report));
        }
        assert_eq!(Report::decode(b"f12"), None);
        assert_eq!(Report::decode(b""), None);
    }
}
