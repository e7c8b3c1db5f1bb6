//! One attached client, as the monitor sees it.

use std::collections::VecDeque;

use ketch_sys::Errno;
use nix::sys::epoll::EpollFlags;

use super::poller::Source;
use crate::attach::packet;
use crate::log::Stream;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) source: Source,
    /// Its streams; None before its first packet.
    pub(crate) wants: Option<u8>,
    /// The output at hand has not gone out to it yet.
    pub(crate) owed: bool,
    /// Packets for a client that is slow when the container has ended already.
    pub(crate) backlog: VecDeque<(u8, Vec<u8>)>,
    /// Nothing can be sent to it any more; what it sent before may be unread.
    pub(crate) deaf: bool,
}

impl Client {
    pub(crate) fn new(id: u64, source: Source) -> Client {
        Client { id, source, wants: None, owed: false, backlog: VecDeque::new(), deaf: false }
    }

    pub(crate) fn gives_input(&self) -> bool {
        self.wants.is_some_and(|wants| wants & packet::STDIN != 0)
    }

    pub(crate) fn wants_output(&self, stream: Stream) -> bool {
        let flag = if stream == Stream::Stdout { packet::STDOUT } else { packet::STDERR };
        !self.deaf && self.wants.is_some_and(|wants| wants & flag != 0)
    }

    /// Sends now; false when the client has no room.
    pub(crate) fn send(&mut self, tag: u8, payload: &[u8]) -> bool {
        match packet::send(&self.source.fd, tag, payload) {
            Ok(()) => true,
            Err(Errno::EAGAIN) => false,
            Err(_) => {
                self.deaf = true;
                true
            }
        }
    }

    /// Sends now or keeps it until [`Client::flush`].
    pub(crate) fn send_later(&mut self, tag: u8, payload: &[u8]) {
        if !self.deaf && (!self.backlog.is_empty() || !self.send(tag, payload)) {
            self.backlog.push_back((tag, payload.to_vec()));
        }
    }

    /// Sends what was kept as far as there is room.
    pub(crate) fn flush(&mut self) {
        while let Some((tag, payload)) = self.backlog.pop_front() {
            if !self.send(tag, &payload) {
                self.backlog.push_front((tag, payload));
                return;
            }
        }
    }

    /// What to watch its socket for. `listening`: there is room for what it sends.
    pub(crate) fn interest(&self, listening: bool) -> EpollFlags {
        let mut events = EpollFlags::empty();
        events.set(EpollFlags::EPOLLIN, listening || !self.gives_input());
        events.set(EpollFlags::EPOLLOUT, !self.deaf && (self.owed || !self.backlog.is_empty()));
        events
    }
}

/// The tag that a stream's bytes travel under.
pub(crate) fn tag(stream: Stream) -> u8 {
    if stream == Stream::Stdout { packet::OUTPUT } else { packet::ERROR }
}
