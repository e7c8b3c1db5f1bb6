//! The socketpair between the runtime and a process that it prepares: one message a datagram.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use ketch_cgroups::Location;
use ketch_sys::{Errno, pidfd, socket};
use nix::unistd::write;

use crate::step::{At, StepError};

/// One end. The other end's closing, by exit or by `execve`, is a message too: `None` from [`Channel::receive`].
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

#[derive(Debug)]
pub(crate) enum Message {
    /// Parent: what the other end waits for has been done.
    Go,
    /// Parent: where the container's cgroups are, and the ways into them.
    Cgroups(Location, Vec<OwnedFd>),
    /// Child: run the hooks that belong outside, then say Go.
    Hooks,
    /// Child: all is prepared; the next Go leads to `execve`.
    Ready,
    /// Child: the pty's master.
    Console(OwnedFd),
    /// Child: the number that seccomp's user notification has with it, see [`Channel::offer_listener`].
    ListenerAt(i32),
    /// Parent: it cannot take what was offered, and wants it sent.
    SendListener,
    /// Child: the descriptor of seccomp's user notification.
    Listener(OwnedFd),
    /// Child: a process made in its stead, in the parent's pid namespace, and its pidfd.
    Successor(i32, OwnedFd),
    /// Child: it has failed and ends.
    Failed(StepError),
}

/// Room for the largest message: two path names and a little, or a path for each hierarchy of a deep cgroup.
const MAX: usize = 16_384;

impl Channel {
    /// Both ends, close-on-exec.
    pub(crate) fn pair() -> Result<(Channel, Channel), StepError> {
        let (a, b) = socket::seqpacket_pair().at("make a socket pair for", "init")?;
        Ok((Channel(a), Channel(b)))
    }

    pub(crate) fn send(&self, message: &Message) -> Result<(), StepError> {
        let (bytes, fds) = encode(message);
        socket::send(&self.0, &bytes, &fds).at("send to", "the other end of init's channel")
    }

    /// The next message; `None` once the other end is gone.
    pub(crate) fn receive(&self) -> Result<Option<Message>, StepError> {
        let mut buffer = [0; MAX];
        let (n, fds) = loop {
            match socket::receive(&self.0, &mut buffer) {
                // Said once, before what is still queued, of an end that closed with messages unread.
                Err(Errno::ECONNRESET) => {}
                result => break result.at("receive from", "the other end of init's channel")?,
            }
        };
        if n == 0 {
            return Ok(None);
        }
        let message = decode(&buffer[..n], fds).ok_or(Errno::EBADMSG);
        message.map(Some).at("understand", "the other end of init's channel")
    }

    /// Hands the other end the listener of a filter that the caller has just installed.
    ///
    /// Every system call from now on may be one that the filter asks about, and nobody answers before the listener is
    /// there; `write` never is ([`crate::seccomp`]). So its number is written, the other end takes a copy of it by
    /// pidfd_getfd(2), and answers Go when it has handed that on. Only an end that may not do so asks for a message that
    /// carries it.
    pub(crate) fn offer_listener(&self, listener: OwnedFd) -> Result<(), StepError> {
        let step = "hand over seccomp's notifications by";
        let object = "init's channel";
        // Nothing is allocated: that could be a system call too.
        let [a, b, c, d] = listener.as_raw_fd().to_ne_bytes();
        write(&self.0, &[b'N', a, b, c, d]).at(step, object)?;
        match self.receive()? {
            Some(Message::Go) => Ok(()),
            Some(Message::SendListener) => {
                self.send(&Message::Listener(listener))?;
                self.wait_for_go()
            }
            Some(_) => Err(Errno::EBADMSG).at("understand", "the other end of init's channel"),
            None => Err(Errno::EPIPE).at("hear from", "the runtime"),
        }
    }

    /// The other side of [`Channel::offer_listener`], on the first message of it: `then` hands on the listener of the process.
    pub(crate) fn take_listener(
        &self,
        process: impl AsFd,
        number: i32,
        then: impl FnOnce(&OwnedFd) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let listener = match pidfd::get_fd(process, number) {
            Err(Errno::EPERM | Errno::ENOSYS) => {
                self.send(&Message::SendListener)?;
                match self.receive()? {
                    Some(Message::Listener(listener)) => listener,
                    Some(Message::Failed(error)) => return Err(error),
                    _ => return Err(Errno::EBADMSG).at("understand", "the other end of init's channel"),
                }
            }
            listener => listener.at("take over", "seccomp's notifications")?,
        };
        then(&listener)?;
        self.send(&Message::Go)
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

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

pub(crate) fn encode(message: &Message) -> (Vec<u8>, Vec<BorrowedFd<'_>>) {
    match message {
        Message::Go => (vec![b'G'], vec![]),
        Message::Cgroups(location, fds) => (encode_location(location), fds.iter().map(AsFd::as_fd).collect()),
        Message::Hooks => (vec![b'H'], vec![]),
        Message::Ready => (vec![b'R'], vec![]),
        Message::Console(fd) => (vec![b'C'], vec![fd.as_fd()]),
        Message::ListenerAt(number) => ([&b"N"[..], &number.to_ne_bytes()].concat(), vec![]),
        Message::SendListener => (vec![b'W'], vec![]),
        Message::Listener(fd) => (vec![b'L'], vec![fd.as_fd()]),
        Message::Successor(pid, fd) => ([&b"S"[..], &pid.to_ne_bytes()].concat(), vec![fd.as_fd()]),
        Message::Failed(error) => (encode_error(error), vec![]),
    }
}

pub(crate) fn decode(bytes: &[u8], mut fds: Vec<OwnedFd>) -> Option<Message> {
    let (kind, rest) = bytes.split_first()?;
    Some(match kind {
        b'G' => Message::Go,
        b'D' => Message::Cgroups(decode_location(rest)?, fds),
        b'H' => Message::Hooks,
        b'R' => Message::Ready,
        b'C' => Message::Console(fds.pop()?),
        b'N' => Message::ListenerAt(i32::from_ne_bytes(rest.try_into().ok()?)),
        b'W' => Message::SendListener,
        b'L' => Message::Listener(fds.pop()?),
        b'S' => Message::Successor(i32::from_ne_bytes(rest.try_into().ok()?), fds.pop()?),
        b'E' => Message::Failed(decode_error(rest)?),
        _ => return None,
    })
}

/// `D`, the version, then the directories with a NUL after each.
fn encode_location(location: &Location) -> Vec<u8> {
    let mut bytes = vec![b'D', u8::from(location.v2)];
    for path in &location.paths {
        bytes.extend(path.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes
}

fn decode_location(bytes: &[u8]) -> Option<Location> {
    let (v2, paths) = bytes.split_first()?;
    let paths = paths.split_inclusive(|byte| *byte == 0).filter_map(|path| path.split_last());
    let paths = paths.map(|(_, path)| PathBuf::from(OsStr::from_bytes(path))).collect();
    Some(Location { paths, v2: *v2 == 1, unit: None })
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

        a.send(&Message::Successor(7, pidfd::open(1).expect("init is there"))).expect("send");
        assert!(matches!(b.receive(), Ok(Some(Message::Successor(7, _)))));

        let location = Location { paths: vec!["/a/x".into(), "/b/x".into()], ..Location::default() };
        a.send(&Message::Cgroups(location.clone(), Vec::new())).expect("send");
        assert!(matches!(b.receive(), Ok(Some(Message::Cgroups(l, fds))) if l == location && fds.is_empty()));

        a.send(&Message::Go).expect("send");
        drop(a);
        b.wait_for_go().expect("was sent before the end");
        assert!(matches!(b.receive(), Ok(None)));
    }

    /// A process that fails does not read what was sent to it meanwhile.
    #[test]
    fn last_words_are_heard() {
        let (a, b) = Channel::pair().expect("a pair");
        b.send(&Message::Go).expect("send");
        let error = StepError { step: "mount".into(), object: "/proc".into(), errno: Errno::EPERM };
        a.send(&Message::Failed(error.clone())).expect("send");
        drop(a);
        assert!(matches!(b.receive(), Ok(Some(Message::Failed(e))) if e == error));
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
