//! The runtime's netlink socket, with this module's errors.

pub(crate) use ketch_runtime::netlink::Failure;
use ketch_runtime::netlink::{self, message};
use nix::sys::socket::SockProtocol;

use super::error::Error;
use super::message::Batch;

/// A connection to one family of the kernel, in the network namespace in which it was opened, wherever the process
/// goes later.
#[derive(Debug)]
pub struct Socket(netlink::Socket);

impl From<netlink::Error> for Error {
    fn from(netlink::Error { step, object, errno }: netlink::Error) -> Error {
        Error::Failed { step, object, source: errno }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        netlink::Error::from(failure).into()
    }
}

impl Socket {
    /// rtnetlink, in the network namespace of the caller.
    pub fn open() -> Result<Socket, Error> {
        Ok(Socket(netlink::Socket::open()?))
    }

    pub(crate) fn open_family(family: SockProtocol) -> Result<Socket, Error> {
        Ok(Socket(netlink::Socket::open_family(family)?))
    }

    /// See [`netlink::Socket::send`].
    pub(crate) fn send(&self, batch: &Batch) -> Result<(), Error> {
        Ok(self.0.send(batch)?)
    }

    /// See [`netlink::Socket::query`].
    pub(crate) fn query(&self, batch: &Batch, reply: impl FnMut(message::Received<'_>)) -> Result<(), Error> {
        Ok(self.0.query(batch, reply)?)
    }

    /// See [`netlink::Socket::exchange`].
    pub(crate) fn exchange(
        &self,
        batch: &Batch,
        reply: &mut dyn FnMut(message::Received<'_>),
    ) -> Result<Vec<Failure>, Error> {
        Ok(self.0.exchange(batch, reply)?)
    }
}
