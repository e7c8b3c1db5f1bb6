//! `events`: what a container uses, and when it runs out of memory.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ketch_cgroups::{Cgroup, Detail, OomWatch};
use ketch_sys::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::kill;
use super::state::State;
use crate::step::{At, StepError};

/// What [`Watch::next`] has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The kernel's OOM killer was called in.
    Oom,
    /// Init has ended.
    Ended,
    /// Neither, until the time that was given.
    Timeout,
}

#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    #[error("container not running: {id:?} is stopped")]
    Stopped { id: String },
    #[error(transparent)]
    Cgroup(#[from] ketch_cgroups::Error),
    #[error(transparent)]
    Step(#[from] StepError),
}

/// What the container uses now. What cannot be read is 0.
pub fn detail(state: &State) -> Result<Detail, EventsError> {
    match state.is_alive() {
        true => Ok(Cgroup::open(state.cgroup.clone()).detail()),
        false => Err(EventsError::Stopped { id: state.id.clone() }),
    }
}

/// A running container that is watched.
#[derive(Debug)]
pub struct Watch {
    init: OwnedFd,
    oom: Option<OomWatch>,
}

impl Watch {
    pub fn new(state: &State) -> Result<Watch, EventsError> {
        let stopped = || EventsError::Stopped { id: state.id.clone() };
        let init = kill::running_init(state)?.ok_or_else(stopped)?;
        Ok(Watch { init, oom: Cgroup::open(state.cgroup.clone()).watch_oom()? })
    }

    /// Waits for the next event, at the latest until `deadline`. Of an OOM kill that ends init, both are told, in that order.
    pub fn next(&mut self, deadline: Instant) -> Result<Event, StepError> {
        loop {
            if self.oom.as_mut().is_some_and(OomWatch::happened) {
                return Ok(Event::Oom);
            }
            let mut sources = vec![PollFd::new(self.init.as_fd(), PollFlags::POLLIN)];
            sources.extend(self.oom.as_ref().map(OomWatch::poll).map(|(fd, events)| PollFd::new(fd, events)));
            // Rounded up: what is left of a millisecond is not spun through.
            let left = deadline.saturating_duration_since(Instant::now());
            let left = if left.is_zero() { left } else { left + Duration::from_millis(1) };
            match poll(&mut sources, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
                Err(Errno::EINTR) => continue,
                polled => polled.at("wait for", "the container's events")?,
            };
            let has_ended = sources[0].any().unwrap_or(false);
            match (self.oom.as_mut().is_some_and(OomWatch::happened), has_ended) {
                (true, _) => return Ok(Event::Oom),
                (false, true) => return Ok(Event::Ended),
                (false, false) if deadline <= Instant::now() => return Ok(Event::Timeout),
                (false, false) => {}
            }
        }
    }
}
