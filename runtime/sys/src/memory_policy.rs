//! set_mempolicy(2): on which NUMA nodes a thread's memory comes from.

use crate::{Errno, Result};

/// `MPOL_*` of linux/mempolicy.h.
pub mod mode {
    pub const DEFAULT: u32 = 0;
    pub const PREFERRED: u32 = 1;
    pub const BIND: u32 = 2;
    pub const INTERLEAVE: u32 = 3;
    pub const LOCAL: u32 = 4;
    /// Linux 5.15.
    pub const PREFERRED_MANY: u32 = 5;
    /// Linux 6.9.
    pub const WEIGHTED_INTERLEAVE: u32 = 6;
}

/// `MPOL_F_*`, which are or-ed to the mode.
pub mod flag {
    pub const STATIC_NODES: u32 = 1 << 15;
    pub const RELATIVE_NODES: u32 = 1 << 14;
    /// Linux 5.12, with BIND; Linux 5.15 with PREFERRED_MANY.
    pub const NUMA_BALANCING: u32 = 1 << 13;
}

/// Sets the calling thread's policy, which its children and the program it executes inherit. Bit n of `nodes` (in 64-bit words)
/// is node n.
///
/// EINVAL: the kernel does not know the mode or the flag, or none of the nodes is there and allowed. ENOSYS: a kernel
/// without NUMA.
pub fn set(mode: u32, nodes: &[u64]) -> Result<()> {
    // The kernel reads one bit less than it is told.
    let bits = if nodes.is_empty() { 0 } else { nodes.len() * 64 + 1 };
    let pointer = if nodes.is_empty() { std::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: the kernel reads `bits - 1` bits from the slice, which has so many; unsigned long is 64 bits wide where this
    // is built.
    Errno::result(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) }).map(drop)
}
