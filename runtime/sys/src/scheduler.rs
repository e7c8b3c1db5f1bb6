//! CPU and I/O scheduling, CPU affinity and execution domain of a process.

use crate::{Errno, Result};

/// `struct sched_attr` of sched_setattr(2), as of Linux 5.3 (56 bytes).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Attributes {
    /// Filled in by [`set_attributes`].
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
    pub util_min: u32,
    pub util_max: u32,
}

/// sched_setattr(2) on `pid`, 0 for the caller.
pub fn set_attributes(pid: i32, mut attributes: Attributes) -> Result<()> {
    attributes.size = size_of::<Attributes>() as u32;
    // SAFETY: the kernel reads `size` bytes from a structure of just that size.
    Errno::result(unsafe { libc::syscall(libc::SYS_sched_setattr, pid, &attributes, 0) }).map(drop)
}

/// ioprio_set(2) on one process, 0 for the caller.
pub fn set_io_priority(pid: i32, class: u16, level: u16) -> Result<()> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const IOPRIO_CLASS_SHIFT: u32 = 13;
    let value = libc::c_int::from(class) << IOPRIO_CLASS_SHIFT | libc::c_int::from(level);
    // SAFETY: takes integers only.
    Errno::result(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, value) }).map(drop)
}

/// sched_setaffinity(2) on `pid`, 0 for the caller: bit n of `mask` (in 64-bit words) is CPU n.
pub fn set_affinity(pid: i32, mask: &[u64]) -> Result<()> {
    // SAFETY: the kernel reads that many bytes from the slice; unsigned long is 64 bits wide where this is built.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_sched_setaffinity, pid, size_of_val(mask), mask.as_ptr())
    })
    .map(drop)
}

/// personality(2).
pub fn set_personality(persona: u32) -> Result<()> {
    // SAFETY: takes an integer only.
    Errno::result(unsafe { libc::syscall(libc::SYS_personality, libc::c_ulong::from(persona)) }).map(drop)
}
