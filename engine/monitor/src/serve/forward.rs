//! Connections to published ports that the kernel cannot lead to the container: those from the host's own `[::1]`.
//!
//! They come to the sockets that hold the ports. Each is copied to and from the container, both ways, in the monitor's loop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use ketch_sys::socket::accept;
use ketch_sys::{Errno, Result};
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, SockaddrStorage, connect, getsockopt, send,
    shutdown, socket, sockopt,
};
use nix::unistd::read;

use super::poller::{Poller, Source};
use crate::config::Forward;

/// Tokens: a listener's place, or a connection's number and which of its ends.
const LISTENERS: u64 = 1 << 62;
const CONNECTIONS: u64 = 1 << 63;

/// Most bytes that are on their way in one direction of a connection.
const BUFFER: usize = 16 * 1024;

/// The sockets that hold the container's ports.
#[derive(Debug, Default)]
pub(crate) struct Forwards {
    listeners: Vec<Listener>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    /// Those whose connections never come here.
    held: Vec<OwnedFd>,
}

#[derive(Debug)]
struct Listener {
    source: Source,
    to: SocketAddr,
}

/// Who connected, and the container.
#[derive(Debug)]
struct Connection {
    ends: [End; 2],
    is_connected: bool,
}

#[derive(Debug)]
struct End {
    source: Source,
    /// What it has no room for yet. While there is some, nothing is read from the other end.
    unwritten: Vec<u8>,
    /// Nothing more comes from it.
    ended: bool,
    /// It was told that nothing more comes from the other end.
    told: bool,
}

impl Forwards {
    pub(crate) fn new(mut held: Vec<OwnedFd>, forwards: &[Forward]) -> Forwards {
        let mut listeners = Vec::new();
        // From behind: what is taken out moves nothing that comes later.
        for (place, forward) in forwards.iter().enumerate().rev() {
            let source = Source::new(held.remove(forward.held), LISTENERS | place as u64);
            listeners.push(Listener { source, to: forward.to });
        }
        listeners.reverse();
        Forwards { listeners, held, ..Forwards::default() }
    }

    /// Ends the connections that came before the kernel led them to the container: nobody would ever answer them.
    pub(super) fn end_early(&self) {
        for socket in &self.held {
            // EAGAIN: there are no more; EOPNOTSUPP: UDP has none.
            while accept(socket).is_ok() {}
        }
    }

    pub(super) fn watch(&mut self, poller: &Poller) -> Result<()> {
        self.listeners.iter_mut().try_for_each(|l| poller.watch(&mut l.source, EpollFlags::EPOLLIN))
    }

    pub(super) fn owns(token: u64) -> bool {
        token >= LISTENERS
    }

    pub(super) fn serve(&mut self, poller: &Poller, token: u64) -> Result<()> {
        if token & CONNECTIONS == 0 {
            return self.accept(poller, (token & !LISTENERS) as usize);
        }
        let number = (token & !CONNECTIONS) >> 1;
        // The other end's event may have been its last.
        let Some(connection) = self.connections.get_mut(&number) else { return Ok(()) };
        if connection.serve(poller).is_err() || connection.is_over() {
            self.connections.remove(&number);
            // There is room for one more descriptor, which it may have been out of.
            self.watch(poller)?;
        }
        Ok(())
    }

    fn accept(&mut self, poller: &Poller, place: usize) -> Result<()> {
        let Some(listener) = self.listeners.get_mut(place) else { return Ok(()) };
        let client = match accept(&listener.source.fd) {
            Ok(client) => client,
            // No descriptor or memory for one more: it waits in the queue until another goes.
            Err(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)
                if !self.connections.is_empty() =>
            {
                return poller.watch(&mut listener.source, EpollFlags::empty());
            }
            // It has gone already.
            Err(_) => return Ok(()),
        };
        let number = self.next;
        self.next += 1;
        // A container that cannot be connected to is one that refuses: the client's connection closes.
        if let Ok(mut connection) = Connection::open(client, listener.to, number)
            && connection.rearm(poller).is_ok()
        {
            self.connections.insert(number, connection);
        }
        Ok(())
    }
}

impl Connection {
    fn open(client: OwnedFd, to: SocketAddr, number: u64) -> Result<Connection> {
        let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let inside = socket(family, SockType::Stream, flags, None)?;
        let is_connected = match connect(inside.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) => true,
            Err(Errno::EINPROGRESS) => false,
            Err(errno) => return Err(errno),
        };
        let token = CONNECTIONS | number << 1;
        Ok(Connection { ends: [End::new(client, token), End::new(inside, token | 1)], is_connected })
    }

    /// Moves what can be moved. Any error is its end.
    fn serve(&mut self, poller: &Poller) -> Result<()> {
        if !self.is_connected {
            match getsockopt(&self.ends[1].source.fd, sockopt::SocketError)? {
                0 => self.is_connected = true,
                error => return Err(Errno::from_raw(error)),
            }
        }
        let [client, inside] = &mut self.ends;
        copy(client, inside)?;
        copy(inside, client)?;
        self.rearm(poller)
    }

    fn rearm(&mut self, poller: &Poller) -> Result<()> {
        let reads = [0, 1].map(|at: usize| {
            self.is_connected && !self.ends[at].ended && self.ends[1 - at].unwritten.is_empty()
        });
        let writes =
            [!self.ends[0].unwritten.is_empty(), !self.is_connected || !self.ends[1].unwritten.is_empty()];
        for (at, end) in self.ends.iter_mut().enumerate() {
            let mut interest = EpollFlags::empty();
            interest.set(EpollFlags::EPOLLIN, reads[at]);
            interest.set(EpollFlags::EPOLLOUT, writes[at]);
            poller.watch(&mut end.source, interest)?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.ended && end.told)
    }
}

impl End {
    fn new(fd: OwnedFd, token: u64) -> End {
        End { source: Source::new(fd, token), unwritten: Vec::new(), ended: false, told: false }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match send(self.source.fd.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            result => result,
        }
    }
}

/// One read, at most, and as much writing as there is room for.
fn copy(from: &mut End, to: &mut End) -> Result<()> {
    if !to.unwritten.is_empty() {
        let unwritten = std::mem::take(&mut to.unwritten);
        let done = to.write(&unwritten)?;
        to.unwritten = unwritten[done..].to_vec();
    }
    if to.unwritten.is_empty() && !from.ended {
        let mut buffer = [0; BUFFER];
        match read(&from.source.fd, &mut buffer) {
            Ok(0) => from.ended = true,
            Ok(length) => {
                let done = to.write(&buffer[..length])?;
                to.unwritten = buffer[done..length].to_vec();
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    if from.ended && to.unwritten.is_empty() && !to.told {
        to.told = true;
        match shutdown(to.source.fd.as_raw_fd(), Shutdown::Write) {
            Err(Errno::ENOTCONN) | Ok(()) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
