//! The engine's end: starting a monitor and hearing how it went.

use std::os::fd::OwnedFd;

use crate::config::Config;
use crate::lock::Lock;

/// Descriptors that a monitor finds open.
pub const CONFIG_FD: i32 = 3;
pub const REPORT_FD: i32 = 4;
pub const LOCK_FD: i32 = 5;
pub const ROOTFS_FD: i32 = 6;

/// Why a container did not start. `code` is what `ketch run` exits with: 127 (no such command), 126 (cannot be
/// executed), 125 (all else).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    pub message: String,
    pub code: i32,
}

/// A monitor whose container waits to be let go, so that the caller can attach before the first byte of output.
#[derive(Debug)]
pub struct Monitor {
    pub pidfd: OwnedFd,
    report: OwnedFd,
}

/// Starts this binary again as a monitor (a read-only clone of it: CVE-2019-5736), in its own session, with
/// its own copy of nothing but the descriptors above. Returns when the container is created and its attach socket is there.
pub fn spawn(_config: &Config, _lock: Lock, _rootfs: Option<OwnedFd>) -> Result<Monitor, StartError> {
    todo!()
}

impl Monitor {
    /// Lets the container go and returns init's pid once it has called `execve`.
    pub fn start(self) -> Result<i32, StartError> {
        todo!()
    }
}
