//! A netlink socket: sends a batch, hears the answers.

use std::os::fd::{AsRawFd, OwnedFd};

use ketch_sys::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};

use super::Error;
use super::message::{Batch, Received, Step, messages, read_u32};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// The kernel's dumps come in pieces of at most this size.
const RECEIVE: usize = 32 << 10;
/// What the default send buffer takes in one message, and a bit less.
const SMALL: usize = 128 << 10;

/// A message that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its place in the batch, from 0.
    pub place: usize,
    pub errno: Errno,
    step: Step,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error { step: failure.step.name, object: failure.step.object, errno: failure.errno }
    }
}

fn failed(step: &'static str, object: &str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error { step, object: object.to_owned(), errno }
}

/// A connection to one family of the kernel, in the network namespace in which it was opened, wherever the process
/// goes later.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// rtnetlink, in the network namespace of the caller.
    pub fn open() -> Result<Socket, Error> {
        Socket::open_family(SockProtocol::NetlinkRoute)
    }

    pub fn open_family(family: SockProtocol) -> Result<Socket, Error> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, family)
            .map_err(failed("open", "a netlink socket"))?;
        Ok(Socket { fd })
    }

    /// Sends a batch whose last message the kernel answers in any case, and fails with the first message that did.
    ///
    /// An rtnetlink batch goes on past a failed message, one of nf_tables is done wholly or not at all.
    pub fn send(&self, batch: &Batch) -> Result<(), Error> {
        self.query(batch, |_| ())
    }

    /// The same; what the kernel tells besides goes to `reply`.
    pub fn query(&self, batch: &Batch, mut reply: impl FnMut(Received<'_>)) -> Result<(), Error> {
        match self.exchange(batch, &mut reply)?.into_iter().next() {
            None => Ok(()),
            Some(failure) => Err(failure.into()),
        }
    }

    /// The same, with all messages that failed.
    pub fn exchange(
        &self,
        batch: &Batch,
        reply: &mut dyn FnMut(Received<'_>),
    ) -> Result<Vec<Failure>, Error> {
        self.transmit(batch.bytes()).map_err(failed("send", "a netlink message"))?;
        let mut failures = Vec::new();
        let mut buffer = [0; RECEIVE];
        // The kernel works while send(2) runs, so all that it has to say is here: nothing to wait for.
        loop {
            let length = match self.receive(&mut buffer) {
                Err(Errno::EAGAIN) if !failures.is_empty() => return Ok(failures),
                result => result.map_err(failed("receive", "a netlink message"))?,
            };
            for message in messages(&buffer[..length]) {
                let is_last = message.sequence as usize >= batch.answered();
                match message.kind {
                    NLMSG_ERROR => {
                        let code = read_u32(message.body, 0).unwrap_or(0) as i32;
                        if let Some(step) = batch.step(message.sequence)
                            && code != 0
                            && step.tolerated != Some(Errno::from_raw(-code))
                        {
                            failures.push(Failure {
                                place: message.sequence as usize - 1,
                                errno: Errno::from_raw(-code),
                                step: step.clone(),
                            });
                        }
                        if is_last {
                            return Ok(failures);
                        }
                    }
                    NLMSG_DONE => return Ok(failures),
                    _ => reply(message),
                }
            }
        }
    }

    fn transmit(&self, bytes: &[u8]) -> Result<(), Errno> {
        if bytes.len() > SMALL {
            // Past the limit for everybody, which CAP_NET_ADMIN may do; netlink takes a batch in one piece.
            setsockopt(&self.fd, sockopt::SndBufForce, &(2 * bytes.len()))?;
        }
        loop {
            match send(self.fd.as_raw_fd(), bytes, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                result => return result.map(drop),
            }
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        loop {
            match recv(self.fd.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    }
}
