//! pidfd_open(2) and what a pidfd is good for.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::{Errno, Result};

/// Opens the process `pid`; the descriptor becomes readable when it ends.
pub fn open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: takes integers only; the answer is a new descriptor (always close-on-exec).
    unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Sends `signal`; 0 only asks whether the process is there. ESRCH: it has ended and been waited for.
pub fn send_signal(pidfd: impl AsFd, signal: i32) -> Result<()> {
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: takes integers, and a null siginfo, which the kernel allows.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    Errno::result(result).map(drop)
}

/// Waits until the child ends, and reaps it.
pub fn wait(pidfd: impl AsFd) -> Result<WaitStatus> {
    loop {
        match waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
