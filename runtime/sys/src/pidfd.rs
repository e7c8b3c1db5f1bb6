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

/// A copy, close-on-exec, of the descriptor `number` of the process: pidfd_getfd(2), Linux 5.6. EPERM: the caller may not
/// trace the process. EBADF: it has no such descriptor.
pub fn get_fd(pidfd: impl AsFd, number: i32) -> Result<OwnedFd> {
    // SAFETY: takes integers only; the answer is a new descriptor.
    unsafe {
        let fd = pidfd.as_fd().as_raw_fd();
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_getfd, fd, number, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
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

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Exited(i32),
    /// By this signal, a real-time one too, which [`wait`] cannot express.
    Signaled(i32),
}

impl Ended {
    /// What a shell calls its exit status: 128 + n for signal n.
    pub fn code(self) -> i32 {
        match self {
            Ended::Exited(code) => code,
            Ended::Signaled(signal) => 128 + signal,
        }
    }
}

/// Waits until the child ends, and reaps it.
pub fn reap(pidfd: impl AsFd) -> Result<Ended> {
    let fd = pidfd.as_fd().as_raw_fd() as libc::id_t;
    loop {
        // SAFETY: all-zero is a valid siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one siginfo_t, which lives until the call returns.
        match Errno::result(unsafe { libc::waitid(libc::P_PIDFD, fd, &raw mut info, libc::WEXITED) }) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => {
                // SAFETY: waitid filled in the fields of a SIGCHLD, si_status among them.
                let status = unsafe { info.si_status() };
                // WEXITED reports no other than CLD_EXITED, and with the signal CLD_KILLED and CLD_DUMPED.
                let exited = info.si_code == libc::CLD_EXITED;
                return Ok(if exited { Ended::Exited(status) } else { Ended::Signaled(status) });
            }
        }
    }
}
