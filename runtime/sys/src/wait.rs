//! Children that have ended.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::{Errno, Result};

/// Reaps one child that has ended, whichever it is, without waiting (wait4(2), `WNOHANG`): its pid and status, or None
/// when there is none to reap now. Death by a real-time signal is a status like any other.
pub fn any() -> Result<Option<(i32, ExitStatus)>> {
    let mut status = 0;
    // SAFETY: the kernel writes one int, which lives until the call returns.
    match Errno::result(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }) {
        Ok(0) | Err(Errno::ECHILD) => Ok(None),
        Ok(pid) => Ok(Some((pid, ExitStatus::from_raw(status)))),
        Err(errno) => Err(errno),
    }
}
