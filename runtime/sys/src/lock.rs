//! Open-file-description locks (fcntl(2), `F_OFD_SETLK`): they belong to the descriptor, go with it
//! through `dup` and `exec`, and end with its last copy.

use std::ops::Range;
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, fcntl};

use crate::{Errno, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Needs a descriptor open for reading.
    Shared,
    /// Needs a descriptor open for writing.
    Exclusive,
}

/// Locks `bytes` of the file; false when another description holds a conflicting lock.
pub fn try_lock(file: impl AsFd, kind: Kind, bytes: Range<i64>) -> Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&request(kind, &bytes))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Locks `bytes` of the file, waiting for conflicting locks to end.
pub fn lock(file: impl AsFd, kind: Kind, bytes: Range<i64>) -> Result<()> {
    loop {
        match fcntl(&file, FcntlArg::F_OFD_SETLKW(&request(kind, &bytes))) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

/// Whether a lock of `kind` on `bytes` would meet another's (`F_OFD_GETLK`: takes nothing).
pub fn is_locked(file: impl AsFd, kind: Kind, bytes: Range<i64>) -> Result<bool> {
    let mut flock = request(kind, &bytes);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut flock))?;
    Ok(flock.l_type != libc::F_UNLCK as libc::c_short)
}

/// Lets go of `bytes`.
pub fn unlock(file: impl AsFd, bytes: Range<i64>) -> Result<()> {
    let mut flock = request(Kind::Shared, &bytes);
    flock.l_type = libc::F_UNLCK as libc::c_short;
    fcntl(file, FcntlArg::F_OFD_SETLK(&flock)).map(drop)
}

/// Takes a shared lock on `bytes` that is the process's and not the descriptor's (`F_SETLK`), so that [`holder`] can tell
/// whose it is. It goes through `exec` with its descriptor and to no child, and ends when the process closes any
/// descriptor of the file.
pub fn hold(file: impl AsFd, bytes: Range<i64>) -> Result<()> {
    fcntl(file, FcntlArg::F_SETLK(&request(Kind::Shared, &bytes))).map(drop)
}

/// Some other process that [`hold`]s one of `bytes`, by its number in the caller's pid namespace: 0 if it has none there.
pub fn holder(file: impl AsFd, bytes: Range<i64>) -> Result<Option<i32>> {
    let mut flock = request(Kind::Exclusive, &bytes);
    fcntl(file, FcntlArg::F_GETLK(&mut flock))?;
    Ok((flock.l_type != libc::F_UNLCK as libc::c_short).then_some(flock.l_pid))
}

fn request(kind: Kind, bytes: &Range<i64>) -> libc::flock {
    let l_type = match kind {
        Kind::Shared => libc::F_RDLCK,
        Kind::Exclusive => libc::F_WRLCK,
    };
    libc::flock {
        l_type: l_type as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: bytes.start,
        l_len: bytes.end - bytes.start,
        // Must be 0 for open-file-description locks.
        l_pid: 0,
    }
}
