//! Resource limits.

use crate::{Errno, Result};

/// Numbers of the resources, as the kernel has them on every architecture but Alpha, MIPS and SPARC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Resource {
    Cpu = 0,
    Fsize = 1,
    Data = 2,
    Stack = 3,
    Core = 4,
    Rss = 5,
    Nproc = 6,
    Nofile = 7,
    Memlock = 8,
    As = 9,
    Locks = 10,
    Sigpending = 11,
    Msgqueue = 12,
    Nice = 13,
    Rtprio = 14,
    Rttime = 15,
}

/// prlimit(2) on `pid`, 0 for the caller; `u64::MAX` is no limit.
///
/// EPERM when `hard` rises without `CAP_SYS_RESOURCE` in the initial user namespace, or when
/// `pid` is another user's process; EINVAL when `soft` is above `hard`.
pub fn set(pid: i32, resource: Resource, soft: u64, hard: u64) -> Result<()> {
    let limit = [soft, hard];
    // SAFETY: the kernel reads one rlimit64, two u64 in the order soft, hard; the old limit is not asked for.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_prlimit64, pid, resource as u32, limit.as_ptr(), std::ptr::null_mut::<u64>())
    })
    .map(drop)
}

/// The limits of `pid`, 0 for the caller: soft, then hard.
pub fn get(pid: i32, resource: Resource) -> Result<(u64, u64)> {
    let mut limit = [0u64; 2];
    // SAFETY: the kernel writes one rlimit64, two u64 in the order soft, hard; no new limit is given.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_prlimit64, pid, resource as u32, std::ptr::null::<u64>(), limit.as_mut_ptr())
    })?;
    Ok((limit[0], limit[1]))
}
