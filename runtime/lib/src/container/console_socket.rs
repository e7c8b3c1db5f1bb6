//! `--console-socket`: somebody else takes the container's terminal.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use ketch_sys::socket;

use crate::step::{At, StepError};

/// The connection to whoever takes the terminal's master.
#[derive(Debug)]
pub(crate) struct ConsoleSocket(UnixStream);

impl ConsoleSocket {
    pub(crate) fn connect(path: &Path) -> Result<ConsoleSocket, StepError> {
        UnixStream::connect(path).map(ConsoleSocket).at("connect to the console socket", path)
    }

    /// Sends the master, with a name as the message, as runc does.
    pub(crate) fn send(&self, master: &OwnedFd) -> Result<(), StepError> {
        socket::send(&self.0, b"/dev/ptmx", &[master.as_fd()])
            .at("send the terminal to", "the console socket")
    }
}
