//! clone3(2) (Linux 5.3): a process with new namespaces, a pidfd and a cgroup in one call.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::{Errno, Result};

const CLONE_PIDFD: u64 = libc::CLONE_PIDFD as u64;
const CLONE_PARENT: u64 = libc::CLONE_PARENT as u64;
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// How the child differs from a plain fork.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// `CLONE_NEW*`.
    pub namespaces: u64,
    /// A directory of cgroup v2 to start in (Linux 5.7).
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Become a child of the caller's parent.
    pub sibling: bool,
    /// What the child must not keep open, such as the caller's end of a socket whose closing it waits for. It must not
    /// use them.
    pub not_inherited: &'a [BorrowedFd<'a>],
}

/// A child: its number in the caller's pid namespace, and a descriptor that stays its own when the number is used again.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// Runs `child` in a copy of this process, which ends with the status it returns. Signal handlers are reset to default
/// in the copy; ignored signals stay ignored and the mask stays as it is.
///
/// EINVAL if the calling process has a second thread: a lock that it holds would stay locked in the copy.
pub fn fork(options: Options<'_>, child: impl FnOnce() -> i32) -> Result<Child> {
    // unshare(2): CLONE_THREAD changes nothing, and fails with EINVAL in a process with several threads.
    // SAFETY: takes an integer only.
    Errno::result(unsafe { libc::unshare(libc::CLONE_THREAD) })?;

    let mut pidfd: libc::c_int = -1;
    // SAFETY: all fields are integers, for which zero is the kernel's "not given".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | options.namespaces;
    args.pidfd = (&raw mut pidfd) as u64;
    if options.sibling {
        args.flags |= CLONE_PARENT;
    } else {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = options.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM this is fork: the child runs on its own copy of this stack, and as the check above
    // found no other thread, no lock is held by one that does not exist in the copy. `args` is of the size given;
    // the kernel writes one int to `pidfd`.
    let pid = Errno::result(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) })?;
    if pid == 0 {
        for fd in options.not_inherited {
            // SAFETY: takes an integer. Whoever owns the descriptor is on the parent's side of the copy: nothing of
            // it runs here again.
            unsafe { libc::close(fd.as_raw_fd()) };
        }
        let status = child();
        // SAFETY: ends the process at once: no destructor and no exit handler of the parent's runs in the copy.
        unsafe { libc::_exit(status) }
    }
    // SAFETY: CLONE_PIDFD made this descriptor for us.
    Ok(Child { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}
