//! Capability sets of the calling thread, as bit masks: bit n is capability n of capability.h.

use crate::{Errno, Result};

/// `_LINUX_CAPABILITY_VERSION_3`: 64 bits, in two halves.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The three sets that capset(2) changes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sets {
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
}

/// capset(2) for the calling thread: all three sets in one call.
pub fn set(sets: Sets) -> Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    let half = |shift: u32| Half {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let halves = [half(0), half(32)];
    // SAFETY: version 3 makes the kernel read exactly one header and two halves, which live until the call returns.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &header, halves.as_ptr()) }).map(drop)
}

/// capget(2) for the calling thread.
pub fn get() -> Result<Sets> {
    let header = Header { version: VERSION_3, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: version 3 makes the kernel read one header and write exactly two halves, which live until the call returns.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &header, halves.as_mut_ptr()) })?;
    let join = |of: fn(&Half) -> u32| u64::from(of(&halves[0])) | u64::from(of(&halves[1])) << 32;
    Ok(Sets {
        effective: join(|h| h.effective),
        permitted: join(|h| h.permitted),
        inheritable: join(|h| h.inheritable),
    })
}

/// `PR_CAPBSET_READ`: whether `capability` is in the bounding set; EINVAL when the kernel does not know it.
pub fn in_bounding(capability: u32) -> Result<bool> {
    prctl(libc::PR_CAPBSET_READ, capability.into(), 0).map(|n| n == 1)
}

/// `PR_CAPBSET_DROP`: EINVAL when the kernel does not know `capability`, EPERM without `CAP_SETPCAP`.
pub fn drop_bounding(capability: u32) -> Result<()> {
    prctl(libc::PR_CAPBSET_DROP, capability.into(), 0).map(drop)
}

/// `PR_CAP_AMBIENT_CLEAR_ALL`: empties the ambient set.
pub fn clear_ambient() -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0).map(drop)
}

/// `PR_CAP_AMBIENT_RAISE`: EPERM when `capability` is not both permitted and inheritable.
pub fn raise_ambient(capability: u32) -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong, capability.into()).map(drop)
}

fn prctl(option: libc::c_int, second: libc::c_ulong, third: libc::c_ulong) -> Result<libc::c_int> {
    let zero: libc::c_ulong = 0;
    // SAFETY: the options used above take integers only; no memory is passed. The last two must be zero.
    Errno::result(unsafe { libc::prctl(option, second, third, zero, zero) })
}
