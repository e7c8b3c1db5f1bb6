//! Raw mode of the local terminal.

use std::os::fd::{AsFd, OwnedFd};

use ketch_sys::Errno;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// A terminal that passes every key on as it is typed, until this is dropped.
///
/// A process that ends by `exit` drops nothing: call [`RawMode::restore`] first.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// ENOTTY when `terminal` is none.
    pub fn enter(terminal: impl AsFd) -> Result<RawMode, Errno> {
        let before = tcgetattr(&terminal)?;
        let terminal = terminal.as_fd().try_clone_to_owned().map_err(|_| Errno::last())?;
        let raw = RawMode { terminal, before };
        raw.enter_again()?;
        Ok(raw)
    }

    /// After a stop: the shell that had the terminal meanwhile has set its own modes.
    pub fn enter_again(&self) -> Result<(), Errno> {
        let mut raw = self.before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&self.terminal, SetArg::TCSANOW, &raw)
    }

    /// Gives the terminal its own modes back. EIO when it has been hung up.
    pub fn restore(&self) -> Result<(), Errno> {
        tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Fails only for a terminal that is gone, which nobody will type into again.
        let _ = self.restore();
    }
}
