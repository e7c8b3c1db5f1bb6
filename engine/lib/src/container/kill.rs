//! `kill`: a signal to init.

use ketch_monitor::lock;
use ketch_sys::{Errno, pidfd};
use nix::sys::signal::Signal;

use super::FileError;
use super::status::{Status, status};
use super::stop::{SignalError, running};
use crate::Engine;
use crate::events::{Action, Event};
use crate::state::containers::Record;

/// Sends `signal` to the container's first process. SIGKILL leaves no doubt: the end is waited for until it is recorded, as
/// with podman, but for a paused container, which dies only when it goes on. No other signal is waited for.
pub fn kill(engine: &Engine, record: &Record, signal: i32) -> Result<(), SignalError> {
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
    let (_, init) = running(engine, record)?.ok_or_else(improper)?;
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
