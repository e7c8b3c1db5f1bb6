//! `stop`: the stop signal, some time, then SIGKILL.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ketch_cgroups::Cgroup;
use ketch_monitor::kept::{self, Kept};
use ketch_monitor::lock::{self, Holder};
use ketch_runtime::container::kill::kill;
use ketch_runtime::container::state::{State, Status as Runtime};
use ketch_sys::{Errno, pidfd};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::options::RestartPolicy;
use super::status::{self, Status};
use super::turn::Turn;
use super::{FileError, policy};
use crate::Engine;
use crate::events::{Action, Event};
use crate::state::containers::Record;

/// Seconds that a container without a `--stop-timeout` of its own gets.
pub const TIMEOUT: u64 = 10;

/// Why a signal could not be sent. podman's words.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    #[error("can only kill running containers. {id} is in state {status}: container state improper")]
    NotRunning { id: String, status: &'static str },
    #[error("can only stop created or running containers. {id} is in state paused: container state improper")]
    Paused { id: String },
    #[error("cannot send signal {signal} to container {id}: {}", .errno.desc().to_lowercase())]
    Send { id: String, signal: i32, errno: Errno },
    #[error("cannot wait for container {id} to end: {}", .errno.desc().to_lowercase())]
    Wait { id: String, errno: Errno },
    #[error("cannot thaw container {id}")]
    Thaw { id: String, source: ketch_cgroups::Error },
    #[error(transparent)]
    File(#[from] FileError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    NotRunning,
    /// By its stop signal.
    Gracefully,
    /// By SIGKILL, after so many seconds in vain. With 0 seconds that was the plan.
    Killed {
        signal: i32,
        seconds: u64,
    },
}

/// Stops the container and waits until its end is recorded (and, with `--rm`, it is removed).
///
/// `seconds`: None: the container's own time-out; below 0: for ever.
pub fn stop(engine: &Engine, record: &Record, seconds: Option<i64>) -> Result<Stopped, SignalError> {
    begin(engine, record, seconds)?.finish(engine, record)
}

/// A container that was sent its stop signal. Several can be, before the first is waited for.
#[derive(Debug)]
pub struct Stopping {
    running: Option<Signalled>,
    /// The monitor of this run: not of the next, which another command may begin meanwhile.
    monitor: Holder,
}

#[derive(Debug)]
struct Signalled {
    state: State,
    init: OwnedFd,
    signal: i32,
    /// None: for ever.
    seconds: Option<u64>,
    since: Instant,
}

/// Sends the stop signal, unless the time-out is 0; does not wait.
pub fn begin(engine: &Engine, record: &Record, seconds: Option<i64>) -> Result<Stopping, SignalError> {
    if matches!(status::status(&engine.paths, &record.id), Status::Paused { .. }) {
        return Err(SignalError::Paused { id: record.id.clone() });
    }
    let run_dir = engine.paths.container_run(&record.id);
    let holder = || lock::holder(&run_dir).map_err(FileError::at("look at the lock of", &run_dir));
    let mut monitor = holder()?;
    let mut found = running(engine, record)?;
    let _turn;
    if found.is_none() {
        // Somebody may be starting it, and hold the lock for a run that is yet to come. With the turn nobody is, and a
        // lock that is held is that of a monitor in its last steps.
        _turn = Turn::take(&engine.paths, &record.id)?;
        monitor = holder()?;
        found = running(engine, record)?;
    }
    mark(engine, record)?;
    let Some((state, init)) = found else { return Ok(Stopping { running: None, monitor }) };
    let seconds = match seconds {
        // There is nobody yet who could hear a signal.
        _ if kept::read(&run_dir, state.pid) == Some(Kept::Waiting) => Some(0),
        None => Some(record.options.stop_timeout.unwrap_or(TIMEOUT)),
        Some(seconds) => u64::try_from(seconds).ok(),
    };
    let signal = record.options.stop_signal.unwrap_or(Signal::SIGTERM as i32);
    // Before its end, which is noted by the monitor.
    engine.event(Event::of_container(record, Action::Stop));
    if seconds != Some(0) {
        send(record, &init, signal)?;
    }
    let signalled = Signalled { state, init, signal, seconds, since: Instant::now() };
    Ok(Stopping { running: Some(signalled), monitor })
}

/// Notes, for its restart policy, that the container's end is wanted.
pub(super) fn mark(engine: &Engine, record: &Record) -> Result<(), FileError> {
    let dir = engine.paths.container(&record.id);
    // One without a directory was never started.
    if record.options.restart == RestartPolicy::No || !dir.exists() { Ok(()) } else { policy::mark(&dir) }
}

impl Stopping {
    /// Waits for the end, which is SIGKILL when the time is up, and for its being recorded.
    pub fn finish(self, engine: &Engine, record: &Record) -> Result<Stopped, SignalError> {
        let stopped = match self.running {
            Some(signalled) => signalled.end(record)?,
            None => Stopped::NotRunning,
        };
        let run_dir = engine.paths.container_run(&record.id);
        self.monitor.wait().map_err(FileError::at("wait for", &run_dir))?;
        // Its restart policy may have been faster than the mark: it ended by itself, and this is the next run.
        let dir = engine.paths.container(&record.id);
        let has_policy = record.options.restart != RestartPolicy::No;
        if has_policy && policy::is_marked(&dir) && running(engine, record)?.is_some() {
            return stop(engine, record, None);
        }
        Ok(stopped)
    }
}

impl Signalled {
    fn end(self, record: &Record) -> Result<Stopped, SignalError> {
        let Signalled { state, init, signal, seconds, since } = self;
        let wait = |errno| SignalError::Wait { id: record.id.clone(), errno };
        // A time too long for the clock is for ever.
        let deadline = seconds.map(|seconds| since.checked_add(Duration::from_secs(seconds)));
        if seconds != Some(0) && ended(&init, deadline.flatten()).map_err(wait)? {
            return Ok(Stopped::Gracefully);
        }
        // The rest of the pid namespace dies with init. A cgroup of this name may be the next run's by now.
        match kill(&state, Signal::SIGKILL as i32, false) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(SignalError::Send { id: record.id.clone(), signal: 9, errno }),
        }
        ended(&init, None).map_err(wait)?;
        Ok(Stopped::Killed { signal, seconds: seconds.unwrap_or(0) })
    }
}

/// The runtime's state and a pidfd of init; None when there is no such process.
pub(super) fn running(engine: &Engine, record: &Record) -> Result<Option<(State, OwnedFd)>, SignalError> {
    let root = engine.paths.runtime();
    let Ok(state) = State::load(&root, &record.id) else { return Ok(None) };
    let init = match pidfd::open(state.pid) {
        Ok(init) => init,
        Err(Errno::ESRCH | Errno::EINVAL) => return Ok(None),
        Err(errno) => return Err(SignalError::Wait { id: record.id.clone(), errno }),
    };
    // Asked after the open: from here on the descriptor cannot come to mean another process.
    if state.status(&root) == Runtime::Stopped { Ok(None) } else { Ok(Some((state, init))) }
}

/// One that has ended meanwhile got what it wanted.
fn send(record: &Record, init: &OwnedFd, signal: i32) -> Result<(), SignalError> {
    match pidfd::send_signal(init, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(SignalError::Send { id: record.id.clone(), signal, errno }),
    }
}

/// Waits for the process's end; false when the time was up first.
fn ended(init: &OwnedFd, deadline: Option<Instant>) -> nix::Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // poll(2) takes milliseconds, in 31 bits: a longer wait is several.
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32)
                .unwrap_or(PollTimeout::MAX)
        });
        let mut fds = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) if left.is_some_and(|left| left <= Duration::from_millis(i32::MAX as u64)) => {
                return Ok(false);
            }
            Ok(0) | Err(Errno::EINTR) => {}
            polled => return polled.map(|_| true),
        }
    }
}

/// A frozen container hears no signal.
pub(super) fn thaw(engine: &Engine, record: &Record) -> Result<(), SignalError> {
    let root = engine.paths.runtime();
    let Ok(state) = State::load(&root, &record.id) else { return Ok(()) };
    if state.status(&root) != Runtime::Paused {
        return Ok(());
    }
    Cgroup::open(state.cgroup)
        .freeze(false)
        .map_err(|source| SignalError::Thaw { id: record.id.clone(), source })
}
