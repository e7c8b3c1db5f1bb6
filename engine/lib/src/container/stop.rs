//! `stop`: the stop signal, some time, then SIGKILL.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ketch_cgroups::Cgroup;
use ketch_monitor::lock;
use ketch_runtime::container::kill::kill;
use ketch_runtime::container::state::{State, Status as Runtime};
use ketch_sys::{Errno, pidfd};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::FileError;
use super::status::{self, Status};
use crate::Engine;
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
    Killed { signal: i32, seconds: u64 },
}

/// Stops the container and waits until its end is recorded (and, with `--rm`, it is removed).
///
/// `seconds`: None: the container's own time-out; below 0: for ever.
pub fn stop(engine: &Engine, record: &Record, seconds: Option<i64>) -> Result<Stopped, SignalError> {
    if matches!(status::status(&engine.paths, &record.id), Status::Paused { .. }) {
        return Err(SignalError::Paused { id: record.id.clone() });
    }
    let stopped = match running(engine, record)? {
        Some((state, init)) => end(record, &state, &init, seconds)?,
        None => Stopped::NotRunning,
    };
    let run_dir = engine.paths.container_run(&record.id);
    lock::wait_free(&run_dir).map_err(FileError::at("wait for", &run_dir))?;
    Ok(stopped)
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

fn end(
    record: &Record,
    state: &State,
    init: &OwnedFd,
    seconds: Option<i64>,
) -> Result<Stopped, SignalError> {
    let wait = |errno| SignalError::Wait { id: record.id.clone(), errno };
    let seconds = match seconds {
        None => Some(record.options.stop_timeout.unwrap_or(TIMEOUT)),
        Some(seconds) => u64::try_from(seconds).ok(),
    };
    let signal = record.options.stop_signal.unwrap_or(Signal::SIGTERM as i32);
    if seconds != Some(0) {
        send(record, init, signal)?;
        if ended(init, seconds.map(Duration::from_secs)).map_err(wait)? {
            return Ok(Stopped::Gracefully);
        }
    }
    match kill(state, Signal::SIGKILL as i32, true) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => return Err(SignalError::Send { id: record.id.clone(), signal: 9, errno }),
    }
    send(record, init, Signal::SIGKILL as i32)?;
    ended(init, None).map_err(wait)?;
    Ok(Stopped::Killed { signal, seconds: seconds.unwrap_or(0) })
}

/// One that has ended meanwhile got what it wanted.
fn send(record: &Record, init: &OwnedFd, signal: i32) -> Result<(), SignalError> {
    match pidfd::send_signal(init, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(SignalError::Send { id: record.id.clone(), signal, errno }),
    }
}

/// Waits for the process's end; false when the time was up first.
fn ended(init: &OwnedFd, limit: Option<Duration>) -> nix::Result<bool> {
    // A time too long for the clock is for ever.
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // poll(2) takes milliseconds, in 31 bits: a longer wait is several.
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32)
                .unwrap_or(PollTimeout::MAX)
        });
        let mut fds = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) if left.is_some_and(|left| left <= Duration::from_millis(i32::MAX as u64)) => return Ok(false),
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
