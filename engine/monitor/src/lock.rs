//! The lock that says whose turn it is.
//!
//! `<run_dir>/lock` carries an open-file-description lock (fcntl(2), `F_OFD_SETLK`). The engine takes it for
//! writing before any transition (start, remove) and hands the locked descriptor to the monitor, which holds it
//! until the exit is recorded. So "locked" means "a monitor is alive, or a command is changing it", the kernel
//! drops it whatever dies, and waiting for an end is waiting for the lock: no poll, no pid file.

use std::os::fd::OwnedFd;
use std::path::Path;

/// A held write lock; dropping the last copy of the descriptor releases it.
#[derive(Debug)]
pub struct Lock(pub OwnedFd);

/// Takes the lock, or None when another process has it.
pub fn try_take(_run_dir: &Path) -> std::io::Result<Option<Lock>> {
    todo!()
}

/// Takes the lock, waiting for its holder to end.
pub fn take(_run_dir: &Path) -> std::io::Result<Lock> {
    todo!()
}

/// Whether someone holds it (`F_OFD_GETLK`: asks without taking). A missing file is not held.
pub fn is_held(_run_dir: &Path) -> std::io::Result<bool> {
    todo!()
}

/// Returns when nobody holds it.
pub fn wait_free(_run_dir: &Path) -> std::io::Result<()> {
    todo!()
}
