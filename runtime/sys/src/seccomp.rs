//! seccomp(2).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

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

/// A system call that a filter asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification {
    pub id: u64,
    /// As the caller sees it; 0 if it cannot.
    pub pid: u32,
    /// Of the caller's architecture.
    pub number: i32,
    pub args: [u64; 6],
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The kernel carries it out (Linux 5.5). Its arguments may be others by then.
    Continue,
    Fail(Errno),
}

/// `struct seccomp_notif`
#[repr(C)]
#[derive(Default)]
struct RawNotification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    instruction_pointer: u64,
    args: [u64; 6],
}

/// `struct seccomp_notif_resp`
#[repr(C)]
struct RawAnswer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// seccomp_unotify(2), `SECCOMP_IOCTL_NOTIF_RECV`: waits for the next call. ENOENT: its process was killed meanwhile.
pub fn receive(listener: impl AsFd) -> Result<Notification> {
    const RECEIVE: libc::c_ulong = 0xc050_2100;
    let mut raw = RawNotification::default();
    let fd = listener.as_fd().as_raw_fd();
    // SAFETY: the kernel reads and writes one structure, of the size that is part of the request's number.
    Errno::result(unsafe { libc::ioctl(fd, RECEIVE as libc::Ioctl, &raw mut raw) })?;
    Ok(Notification { id: raw.id, pid: raw.pid, number: raw.number, args: raw.args })
}

/// `SECCOMP_IOCTL_NOTIF_SEND`. ENOENT: the process that asked is gone.
pub fn answer(listener: impl AsFd, id: u64, answer: Answer) -> Result<()> {
    const SEND: libc::c_ulong = 0xc018_2101;
    const CONTINUE: u32 = 1;
    let (error, flags) = match answer {
        Answer::Continue => (0, CONTINUE),
        Answer::Fail(errno) => (-(errno as i32), 0),
    };
    let raw = RawAnswer { id, value: 0, error, flags };
    let fd = listener.as_fd().as_raw_fd();
    // SAFETY: the kernel reads one structure, of the size that is part of the request's number.
    Errno::result(unsafe { libc::ioctl(fd, SEND as libc::Ioctl, &raw const raw) }).map(drop)
}

const _: () = assert!(size_of::<RawNotification>() == 80 && size_of::<RawAnswer>() == 24);
