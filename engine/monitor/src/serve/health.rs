//! The clock of health checks: each is a process of its own, and the next comes some time after its end.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use ketch_sys::{Result, exe, pidfd, spawn};
use nix::sys::epoll::EpollFlags;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::Server;
use super::poller::{Poller, Source};
use crate::config::{HEALTHY, HealthTimer, STARTING};
use crate::notify::{READY, tell};

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

    /// From now on by another clock, from the beginning; a check that is being made is waited for.
    fn set(&mut self, config: HealthTimer) -> Result<()> {
        self.config = config;
        match self.config.startup_interval.unwrap_or(self.config.interval) {
            _ if self.check.is_some() => Ok(()),
            interval => self.arm(interval),
        }
    }

    /// The first one is due at once, as with podman.
    pub(super) fn begin(&mut self, poller: &Poller) -> Result<()> {
        poller.watch(&mut self.timer, EpollFlags::EPOLLIN)?;
        self.arm(1)
    }

    /// Zero is never.
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

    /// The check has ended; whether it says that the container does its work.
    fn done(&mut self) -> Result<bool> {
        let Some(check) = self.check.take() else { return Ok(false) };
        let ended = pidfd::reap(&check.fd)?;
        let starting = ended == pidfd::Ended::Exited(i32::from(STARTING));
        match if starting { self.config.startup_interval.unwrap_or(0) } else { self.config.interval } {
            0 => {}
            interval => self.arm(interval)?,
        }
        Ok(ended == pidfd::Ended::Exited(i32::from(HEALTHY)))
    }
}

impl Server {
    /// A check has ended: the first good one may be what a service manager waits for.
    pub(super) fn end_check(&mut self) -> Result<()> {
        let Some(health) = &mut self.health else { return Ok(()) };
        if health.done()?
            && let Some(service) = self.ready.take()
            && let Err(error) = tell(&service, READY)
        {
            self.note(&format!(
                "the monitor cannot tell the service manager that the container is ready: {error}"
            ));
        }
        Ok(())
    }

    /// `update`: another clock, or none.
    pub(super) fn set_health(&mut self, timer: Option<HealthTimer>) -> Result<()> {
        match (&mut self.health, timer) {
            (Some(health), Some(timer)) => health.set(timer),
            // Kept for the check that is being made.
            (Some(health), None) => {
                health.set(HealthTimer { interval: 0, startup_interval: None, words: Vec::new() })
            }
            (None, None) => Ok(()),
            (health @ None, Some(timer)) => {
                let mut new = Box::new(Health::new(timer)?);
                // One that waits for its start begins then.
                if self.report.is_none() && self.kept.is_none() {
                    new.begin(&self.poller)?;
                }
                *health = Some(new);
                Ok(())
            }
        }
    }
}
