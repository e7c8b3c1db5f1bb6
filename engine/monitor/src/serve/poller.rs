//! epoll(7), level-triggered, with what each source is watched for kept beside it: a call is made only when that changes.

use std::os::fd::{AsFd, OwnedFd};

use ketch_sys::{Errno, Result};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

#[derive(Debug)]
pub(crate) struct Poller(Epoll);

/// A descriptor and what it is watched for now.
#[derive(Debug)]
pub(crate) struct Source<F = OwnedFd> {
    pub(crate) fd: F,
    token: u64,
    watched: EpollFlags,
}

impl<F: AsFd> Source<F> {
    pub(crate) fn new(fd: F, token: u64) -> Source<F> {
        Source { fd, token, watched: EpollFlags::empty() }
    }
}

impl Poller {
    pub(crate) fn new() -> Result<Poller> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(Poller)
    }

    /// Watches for `events`. For none it is taken out: epoll reports hangups even to those who asked for
    /// nothing, again and again.
    pub(crate) fn watch<F: AsFd>(&self, source: &mut Source<F>, events: EpollFlags) -> Result<()> {
        if source.watched == events {
            return Ok(());
        }
        let mut event = EpollEvent::new(events, source.token);
        let fd = source.fd.as_fd();
        if events.is_empty() {
            self.0.delete(fd)?;
        } else if source.watched.is_empty() {
            self.0.add(fd, event)?;
        } else {
            self.0.modify(fd, &mut event)?;
        }
        source.watched = events;
        Ok(())
    }

    /// Waits for events; `block`: until there are some.
    pub(crate) fn wait<'e>(&self, events: &'e mut [EpollEvent], block: bool) -> Result<&'e mut [EpollEvent]> {
        let timeout = if block { EpollTimeout::NONE } else { EpollTimeout::ZERO };
        loop {
            match self.0.wait(events, timeout) {
                Err(Errno::EINTR) => {}
                result => return result.map(|count| &mut events[..count]),
            }
        }
    }
}
