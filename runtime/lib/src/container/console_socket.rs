//! `--console-socket`: whoever listens there gets the terminal's master.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use ketch_sys::socket;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect};

use crate::step::{At, StepError};

/// What runc sends along; conmon and containerd read it as the terminal's name and do not use it.
const NAME: &[u8] = b"/dev/ptmx";

/// Connects to the socket at `path` and sends `master` to it.
pub(crate) fn send(path: &Path, master: BorrowedFd<'_>) -> Result<(), StepError> {
    let stream =
        nix::sys::socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
            .at("make a socket for", path)?;
    let address = UnixAddr::new(path).at("connect to the console socket", path)?;
    connect(stream.as_raw_fd(), &address).at("connect to the console socket", path)?;
    socket::send(stream.as_fd(), NAME, &[master]).at("send the terminal to the console socket", path)
}
