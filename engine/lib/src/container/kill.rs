//! `kill`: a signal to init.

use ketch_monitor::kept::{self, Kept};
use ketch_monitor::lock;
use ketch_sys::{Errno, pidfd};
use nix::sys::signal::Signal;

use super::FileError;
use super::status::{Status, status};
use super::stop::{SignalError, mark, running};
use crate::Engine;
use crate::events::{Action, Event};
use crate::state::containers::Record;

/// Sends `signal` to the container's first process. SIGKILL leaves no doubt: the end is waited for until it is recorded, as
/// with podman, but for a paused container, which dies only when it goes on. No other signal is waited for.
pub fn kill(engine: &Engine, record: &Record, signal: i32) -> Result<(), SignalError> {
    send(engine, record, signal, ends(record, signal))
}

/// The same for an end that its restart policy need not leave alone.
pub(super) fn unmarked(engine: &Engine, record: &Record, signal: i32) -> Result<(), SignalError> {
    send(engine, record, signal, false)
}

fn send(engine: &Engine, record: &Record, signal: i32, marked: bool) -> Result<(), SignalError> {
    let improper = || SignalError::NotRunning {
        id: record.id.clone(),
        status: match status(&engine.paths, &record.id).name() {
            // It was there a moment ago.
            "running" => "exited",
            name => name,
        },
    };
    let run_dir = engine.paths.container_run(&record.id);
    let monitor = lock::holder(&run_dir).map_err(FileError::at("look at the lock of", &run_dir))?;
    let (state, init) = running(engine, record)?.ok_or_else(improper)?;
    if kept::read(&run_dir, state.pid) == Some(Kept::Waiting) {
        return Err(improper());
    }
    if marked {
        mark(engine, record)?;
    }
    // Before its end, which is noted by the monitor.
    engine.event(Event::of_container(record, Action::Kill));
    match pidfd::send_signal(&init, signal) {
        Err(Errno::ESRCH) => Err(improper()),
        Err(errno) => Err(SignalError::Send { id: record.id.clone(), signal, errno }),
        Ok(())
            if signal == Signal::SIGKILL as i32
                && !matches!(status(&engine.paths, &record.id), Status::Paused { .. }) =>
        {
            Ok(monitor.wait().map_err(FileError::at("wait for", &run_dir))?)
        }
        Ok(()) => Ok(()),
    }
}

/// Whether whoever sends `signal` wants an end, which its restart policy leaves alone then.
fn ends(record: &Record, signal: i32) -> bool {
    let own = record.options.stop_signal.unwrap_or(Signal::SIGTERM as i32);
    signal == own
        || [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT]
            .iter()
            .any(|known| signal == *known as i32)
}
