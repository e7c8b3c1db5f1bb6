//! Descriptors that a program was started with under agreed numbers.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::{Errno, Result};

/// Takes over descriptor `number`, once: EBADF when it is not open, or is not an inherited one.
pub fn take(number: RawFd) -> Result<OwnedFd> {
    if number < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: not -1; F_GETFD and F_SETFD neither read nor change what the descriptor is open on.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = FdFlag::from_bits_retain(fcntl(borrowed, FcntlArg::F_GETFD)?);
    if flags.contains(FdFlag::FD_CLOEXEC) {
        return Err(Errno::EBADF);
    }
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: all that this program opens is close-on-exec, so one that was not came through exec and has no
    // owner; it is close-on-exec from here on, so it is not handed out twice.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The numbers among `count` from `first` on that this program was started with; not those of what it has opened itself.
pub fn numbers(first: u32, count: u32) -> Result<Vec<u32>> {
    let end = first.saturating_add(count);
    let directory = std::fs::read_dir("/proc/self/fd").map_err(|error| errno(&error))?;
    let mut found = Vec::new();
    for entry in directory {
        let name = entry.map_err(|error| errno(&error))?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if (first..end).contains(&number) && is_inherited(number.cast_signed())? {
            found.push(number);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// All that this program opens is close-on-exec, which what came through exec is not.
fn is_inherited(number: RawFd) -> Result<bool> {
    // SAFETY: not -1; F_GETFD neither reads nor changes what the descriptor is open on.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(!FdFlag::from_bits_retain(fcntl(borrowed, FcntlArg::F_GETFD)?).contains(FdFlag::FD_CLOEXEC))
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Closes every descriptor from `first` up to, but without, `end`. For the first lines of a program, as below.
pub fn close_between(first: RawFd, end: RawFd) -> Result<()> {
    if first >= end {
        return Ok(());
    }
    // SAFETY: takes three numbers.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, end - 1, 0) }).map(drop)
}

/// Closes every descriptor from `first` on. For the first lines of a program: it must own none of them yet.
pub fn close_from(first: RawFd) -> Result<()> {
    // SAFETY: takes three numbers.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) }).map(drop)
}

/// Lets `fd` go through execve.
pub fn keep_on_exec(fd: BorrowedFd<'_>) -> Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map(drop)
}
