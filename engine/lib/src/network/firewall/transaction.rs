//! A batch of nf_tables messages that is carried out wholly or not at all.

use nix::sys::socket::SockProtocol;

use crate::network::netlink::Error;
use crate::network::netlink::message::{Batch, Received, Writer};
use crate::network::netlink::socket::{Failure, Socket};

/// NFNL_MSG_BATCH_BEGIN and _END, and the attribute of BEGIN with the generation of the rules that it is meant for.
const BEGIN: u16 = 16;
const END: u16 = 17;
const GENERATION: u16 = 1;

/// NFNL_SUBSYS_NFTABLES, the upper byte of a message's type.
const SUBSYSTEM: u16 = 10;
/// NFPROTO_INET: IPv4 and IPv6.
pub(super) const FAMILY: u8 = 1;

/// A connection to the firewall of the network namespace in which it was opened, wherever the process goes later.
///
/// After a removal, be it another process's, the kernel takes some 15 ms to close it, or to let a process exit that has it
/// open: whoever removes something tells others that it is done before it drops this.
#[derive(Debug)]
pub struct Firewall {
    socket: Socket,
}

impl Firewall {
    /// For the caller's network namespace.
    pub fn open() -> Result<Firewall, Error> {
        Ok(Firewall { socket: Socket::open_family(SockProtocol::NetlinkNetFilter)? })
    }

    pub(super) fn query(&self, batch: &Batch, reply: impl FnMut(Received<'_>)) -> Result<(), Error> {
        self.socket.query(batch, reply)
    }
}

/// Messages between a begin and an end.
#[derive(Debug)]
pub(super) struct Transaction {
    batch: Batch,
}

impl Transaction {
    /// With a generation, it fails with ERESTART when anybody has changed any rule since that was read.
    pub(super) fn begin(generation: Option<u32>) -> Transaction {
        let mut batch = Batch::default();
        batch.push(("begin", "a transaction"), BEGIN, 0, |message| {
            message.raw(&header(0, SUBSYSTEM));
            if let Some(generation) = generation {
                message.big(GENERATION, generation);
            }
        });
        Transaction { batch }
    }

    pub(super) fn push(
        &mut self,
        what: (&'static str, &str),
        kind: u16,
        flags: u16,
        body: impl FnOnce(&mut Writer<'_>),
    ) {
        push(&mut self.batch, what, kind, flags, body);
    }

    /// How many messages are in it, with the begin.
    pub(super) fn len(&self) -> usize {
        self.batch.len()
    }

    /// Carries it out, and gives the messages that failed, if any, with which nothing was done.
    pub(super) fn commit(mut self, firewall: &Firewall) -> Result<Vec<Failure>, Error> {
        self.batch.acknowledge();
        self.batch.push(("end", "a transaction"), END, 0, |message| message.raw(&header(0, SUBSYSTEM)));
        firewall.socket.exchange(&self.batch, &mut |_| ())
    }
}

/// A message outside of a transaction: a question.
pub(super) fn push(
    batch: &mut Batch,
    what: (&'static str, &str),
    kind: u16,
    flags: u16,
    body: impl FnOnce(&mut Writer<'_>),
) {
    batch.push(what, SUBSYSTEM << 8 | kind, flags, |message| {
        message.raw(&header(FAMILY, 0));
        body(message);
    });
}

/// The attributes of an answer of this kind.
pub(super) fn answer<'a>(reply: Received<'a>, kind: u16) -> Option<&'a [u8]> {
    if reply.kind == SUBSYSTEM << 8 | kind { reply.body.get(4..) } else { None }
}

/// nfgenmsg: family, version 0, resource id in network byte order.
fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}
