//! `--timeout`: a container that runs for too long is killed.

use std::time::Duration;

use ketch_sys::Result;
use nix::sys::epoll::EpollFlags;
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::poller::Source;
use super::{Server, TIMEOUT};

impl Server {
    /// Without a timeout there is no timer, and nothing to wake up for.
    pub(super) fn begin_timeout(&mut self, seconds: Option<u64>) -> Result<()> {
        let Some(seconds) = seconds else { return Ok(()) };
        // It stands still while the machine sleeps, as the container does.
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        let after = TimeSpec::from_duration(Duration::from_secs(seconds));
        timer.set(Expiration::OneShot(after), TimerSetTimeFlags::empty())?;
        let mut source = Source::new(timer, TIMEOUT);
        self.poller.watch(&mut source, EpollFlags::EPOLLIN)?;
        self.timeout = Some(source);
        Ok(())
    }

    pub(super) fn end_by_timeout(&mut self) {
        self.timeout = None;
        self.timed_out = true;
        self.note("its time is up: the container is killed");
        self.signal_init(Signal::SIGKILL as i32);
    }

    /// Whether that has ended it.
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out
    }
}
