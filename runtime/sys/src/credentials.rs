//! User and group ids of the calling thread.
//!
//! libc's own functions change every thread of a process and pay for it with a round of
//! signals; a process about to exec has one thread, so these are the bare system calls.

use crate::{Errno, Result};

/// setgroups(2): replaces the supplementary groups. EPERM without `CAP_SETGID` in the user
/// namespace, or where `/proc/<pid>/setgroups` says `deny`.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: the kernel reads `len` gid_t values (u32) from the slice.
    Errno::result(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// setresgid(2) with one id for all three. EINVAL when it is not mapped in the user namespace.
pub fn set_gid(gid: u32) -> Result<()> {
    // SAFETY: takes integers only.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) }).map(drop)
}

/// setresuid(2) with one id for all three. EINVAL when it is not mapped in the user namespace.
///
/// Leaving uid 0 empties the capability sets unless `PR_SET_KEEPCAPS` was set, and the ambient
/// set in any case; it also makes the process non-dumpable until it calls execve.
pub fn set_uid(uid: u32) -> Result<()> {
    // SAFETY: takes integers only.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}
