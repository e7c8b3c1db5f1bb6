//! The socketpair between the runtime and a process that it prepares: one message a datagram.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use ketch_sys::{Errno, socket};

use crate::step::{At, StepError};

/// One end. The other end's closing, by exit or by `execve`, is a message too: `None` from [`Channel::receive`].
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

#[derive(Debug)]
pub(crate) enum Message {
    /// Parent: what the other end waits for has been done.
    Go,
    /// Child: run the hooks that belong outside, then say Go.
    Hooks,
    /// Child: all is prepared; the next Go leads to `execve`.
    Ready,
    /// Child: the pty's master.
    Console(OwnedFd),
    /// Child: the descriptor of seccomp's user notification.
    Listener(OwnedFd),
    /// Child: a process made in its stead, in the parent's pid namespace, and its pidfd.
    Successor(i32, OwnedFd),
    /// Child: it has failed and ends.
    Failed(StepError),
}

/// Room for the largest message: two path names and a little.
const MAX: usize = 9000;

impl Channel {
    /// Both ends, close-on-exec.
    pub(crate) fn pair() -> Result<(Channel, Channel), StepError> {
        let (a, b) = socket::seqpacket_pair().at("make a socket pair for", "init")?;
        Ok((Channel(a), Channel(b)))
    }

    pub(crate) fn send(&self, message: &Message) -> Result<(), StepError> {
        let (bytes, fd) = encode(message);
        let fds: &[BorrowedFd<'_>] = match &fd {
            Some(fd) => std::slice::from_ref(fd),
            None => &[],
        };
        socket::send(&self.0, &bytes, fds).at("send to", "the other end of init's channel")
    }

    /// The next message; `None` once the other end is gone.
    pub(crate) fn receive(&self) -> Result<Option<Message>, StepError> {
        let mut buffer = [0; MAX];
        let (n, fds) = match socket::receive(&self.0, &mut buffer) {
            // A process killed with messages unread resets the connection.
            Err(Errno::ECONNRESET) => return Ok(None),
            result => result.at("receive from", "the other end of init's channel")?,
        };
        if n == 0 {
            return Ok(None);
        }
        let message = decode(&buffer[..n], fds).ok_or(Errno::EBADMSG);
        message.map(Some).at("understand", "the other end of init's channel")
    }

    /// Waits for Go; without the other end there is no use in going on.
    pub(crate) fn wait_for_go(&self) -> Result<(), StepError> {
        match self.receive()? {
            Some(Message::Go) => Ok(()),
            Some(_) => Err(Errno::EBADMSG).at("understand", "the other end of init's channel"),
            None => Err(Errno::EPIPE).at("hear from", "the runtime"),
        }
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

fn encode(message: &Message) -> (Vec<u8>, Option<BorrowedFd<'_>>) {
    match message {
        Message::Go => (vec![b'G'], None),
        Message::Hooks => (vec![b'H'], None),
        Message::Ready => (vec![b'R'], None),
        Message::Console(fd) => (vec![b'C'], Some(fd.as_fd())),
        Message::Listener(fd) => (vec![b'L'], Some(fd.as_fd())),
        Message::Successor(pid, fd) => ([&b"S"[..], &pid.to_ne_bytes()].concat(), Some(fd.as_fd())),
        Message::Failed(error) => (encode_error(error), None),
    }
}

fn decode(bytes: &[u8], mut fds: Vec<OwnedFd>) -> Option<Message> {
    let (kind, rest) = bytes.split_first()?;
    Some(match kind {
        b'G' => Message::Go,
        b'H' => Message::Hooks,
        b'R' => Message::Ready,
        b'C' => Message::Console(fds.pop()?),
        b'L' => Message::Listener(fds.pop()?),
        b'S' => Message::Successor(i32::from_ne_bytes(rest.try_into().ok()?), fds.pop()?),
        b'E' => Message::Failed(decode_error(rest)?),
        _ => return None,
    })
}

/// `E`, errno, then step and object with a NUL between them.
pub(super) fn encode_error(error: &StepError) -> Vec<u8> {
    let mut bytes = vec![b'E'];
    bytes.extend((error.errno as i32).to_ne_bytes());
    bytes.extend(error.step.bytes());
    bytes.push(0);
    bytes.extend(error.object.bytes());
    bytes.truncate(MAX);
    bytes
}

/// What [`encode_error`] made, without its first byte.
pub(super) fn decode_error(bytes: &[u8]) -> Option<StepError> {
    let (errno, text) = bytes.split_at_checked(4)?;
    let errno = Errno::from_raw(i32::from_ne_bytes(errno.try_into().ok()?));
    let text = String::from_utf8_lossy(text);
    let (step, object) = text.split_once('\0')?;
    Some(StepError { step: step.to_owned(), object: object.to_owned(), errno })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cross() {
        let (a, b) = Channel::pair().expect("a pair");
        let error = StepError { step: "mount".into(), object: "/proc".into(), errno: Errno::EPERM };
        a.send(&Message::Failed(error.clone())).expect("send");
        assert!(matches!(b.receive(), Ok(Some(Message::Failed(e))) if e == error));

        a.send(&Message::Successor(7, ketch_sys::pidfd::open(1).expect("init is there"))).expect("send");
        assert!(matches!(b.receive(), Ok(Some(Message::Successor(7, _)))));

        a.send(&Message::Go).expect("send");
        drop(a);
        b.wait_for_go().expect("was sent before the end");
        assert!(matches!(b.receive(), Ok(None)));
    }

    #[test]
    fn a_long_error_is_cut_not_lost() {
        let (a, b) = Channel::pair().expect("a pair");
        let error = StepError { step: "open".into(), object: "x".repeat(20_000), errno: Errno::ENAMETOOLONG };
        a.send(&Message::Failed(error)).expect("send");
        assert!(matches!(b.receive(), Ok(Some(Message::Failed(e))) if e.errno == Errno::ENAMETOOLONG));
    }
}
