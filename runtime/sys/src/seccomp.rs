//! seccomp(2).

use std::os::fd::{FromRawFd, OwnedFd};

use crate::{Errno, Result};

/// `struct sock_filter`: one instruction of classic BPF.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    pub code: u16,
    pub jump_true: u8,
    pub jump_false: u8,
    pub k: u32,
}

/// `struct sock_fprog`
#[repr(C)]
struct Program {
    len: u16,
    filter: *const Insn,
}

const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;

// Flags of linux/seccomp.h. libc's have another type on each C library.
pub const FLAG_TSYNC: u32 = 1 << 0;
pub const FLAG_LOG: u32 = 1 << 1;
pub const FLAG_SPEC_ALLOW: u32 = 1 << 2;
pub const FLAG_NEW_LISTENER: u32 = 1 << 3;
/// Linux 5.7. Without it TSYNC's answer could be a descriptor or a thread id.
pub const FLAG_TSYNC_ESRCH: u32 = 1 << 4;
/// Linux 5.19, with NEW_LISTENER only.
pub const FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// Adds a filter to the calling thread, and to its children from now on.
///
/// The thread needs `no_new_privs` or CAP_SYS_ADMIN in its user namespace, EACCES otherwise. With
/// `FLAG_NEW_LISTENER` the answer is the (close-on-exec) descriptor that notifications come from.
pub fn set_filter(program: &[Insn], flags: u32) -> Result<Option<OwnedFd>> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    let program = Program { len, filter: program.as_ptr() };
    // SAFETY: the kernel copies `len` instructions from `filter`, which is a live slice of that length with
    // the layout of struct sock_filter, and touches nothing else of ours.
    let answer =
        unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let answer = Errno::result(answer)?;
    if flags & FLAG_NEW_LISTENER != 0 {
        // SAFETY: with this flag the answer is a new descriptor that nobody else owns.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(answer as i32) }));
    }
    // The id of a thread that could not follow.
    if answer > 0 { Err(Errno::ESRCH) } else { Ok(None) }
}
