//! `kill`: a signal to init.

use ketch_sys::{Errno, pidfd};

use super::status::status;
use super::stop::{SignalError, running};
use crate::Engine;
use crate::state::containers::Record;

/// Sends `signal` to the container's first process; does not wait for what it does with it.
pub fn kill(engine: &Engine, record: &Record, signal: i32) -> Result<(), SignalError> {
    let improper = || SignalError::NotRunning {
        id: record.id.clone(),
        status: match status(&engine.paths, &record.id).name() {
            // It was there a moment ago.
            "running" => "exited",
            name => name,
        },
    };
    let (_, init) = running(engine, record)?.ok_or_else(improper)?;
    match pidfd::send_signal(&init, signal) {
        Err(Errno::ESRCH) => Err(improper()),
        sent => sent.map_err(|errno| SignalError::Send { id: record.id.clone(), signal, errno }),
    }
}
