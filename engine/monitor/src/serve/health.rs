//! The clock of health checks: each is a process of its own, and the next comes some time after its end.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use ketch_sys::{Result, exe, pidfd, spawn};
use nix::sys::epoll::EpollFlags;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::poller::{Poller, Source};
use crate::config::{HealthTimer, STARTING};

pub(super) const TIMER: u64 = 10;
pub(super) const CHECK: u64 = 11;

#[derive(Debug)]
pub(crate) struct Health {
    config: HealthTimer,
    timer: Source<TimerFd>,
    check: Option<Source<OwnedFd>>,
}

impl Health {
    pub(crate) fn new(config: HealthTimer) -> Result<Health> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = Source::new(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?, TIMER);
        Ok(Health { config, timer, check: None })
    }

    /// The first one is due at once, as with podman.
    pub(super) fn begin(&mut self, poller: &Poller) -> Result<()> {
        poller.watch(&mut self.timer, EpollFlags::EPOLLIN)?;
        // Zero would be never.
        self.arm(1)
    }

    fn arm(&self, nanoseconds: u64) -> Result<()> {
        let at = TimeSpec::from_duration(Duration::from_nanos(nanoseconds));
        self.timer.fd.set(Expiration::OneShot(at), TimerSetTimeFlags::empty())
    }

    /// It is time: a check begins.
    pub(super) fn due(&mut self, poller: &Poller) -> Result<()> {
        // Nothing to read: it was read before.
        let _ = self.timer.fd.wait();
        let words = self.config.words.iter().map(|word| CString::new(word.as_str()));
        // No word of ketch's has a NUL.
        let Ok(words) = words.collect::<std::result::Result<Vec<_>, _>>() else { return Ok(()) };
        let words: Vec<_> = words.iter().map(CString::as_c_str).collect();
        let begun = exe::read_only_exe()
            .and_then(|program| spawn::detached(program.as_fd(), &words, &[]))
            .and_then(pidfd::open);
        match begun {
            Ok(check) => {
                let mut check = Source::new(check, CHECK);
                poller.watch(&mut check, EpollFlags::EPOLLIN)?;
                self.check = Some(check);
                Ok(())
            }
            // No room for a process now: there may be next time.
            Err(_) => self.arm(self.config.interval.max(1)),
        }
    }

    /// The check has ended.
    pub(super) fn done(&mut self) -> Result<()> {
        let Some(check) = self.check.take() else { return Ok(()) };
        let ended = pidfd::reap(&check.fd)?;
        let starting = ended == pidfd::Ended::Exited(i32::from(STARTING));
        match if starting { self.config.startup_interval.unwrap_or(0) } else { self.config.interval } {
            0 => Ok(()),
            interval => self.arm(interval),
        }
    }
}
