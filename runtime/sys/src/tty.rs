//! Pseudo-terminals and window sizes.
//!
//! Line settings (raw mode) are in `nix::sys::termios`.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::{Errno, Result};

/// `struct winsize`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
    pub x_pixels: u16,
    pub y_pixels: u16,
}

/// `TIOCSPTLCK`: unlocks a freshly opened `/dev/ptmx`; until then its other end cannot be opened.
pub fn unlock(master: impl AsFd) -> Result<()> {
    let locked: libc::c_int = 0;
    // SAFETY: the kernel reads one int.
    Errno::result(unsafe { libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCSPTLCK, &locked) }).map(drop)
}

/// `TIOCGPTN`: the number of the pty, its name below the devpts that the master was opened from.
pub fn number(master: impl AsFd) -> Result<u32> {
    let mut number: libc::c_uint = 0;
    // SAFETY: the kernel writes one unsigned int.
    Errno::result(unsafe { libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCGPTN, &mut number) })?;
    Ok(number)
}

/// `TIOCGPTPEER` (Linux 4.13): opens the other end of `master` for reading and writing, without
/// a path, so that nothing mounted over the devpts can stand in for it. It does not become the
/// controlling terminal.
pub fn peer(master: impl AsFd) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: takes an integer; the answer is a new descriptor that nobody else owns.
    unsafe {
        let fd = Errno::result(libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCGPTPEER, flags))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// `TIOCSCTTY`: makes `tty` the controlling terminal of the calling session leader.
pub fn set_controlling(tty: impl AsFd) -> Result<()> {
    let steal: libc::c_int = 0;
    // SAFETY: takes an integer only.
    Errno::result(unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), libc::TIOCSCTTY, steal) }).map(drop)
}

/// `TIOCGWINSZ`. ENOTTY tells that `tty` is no terminal.
pub fn size(tty: impl AsFd) -> Result<Size> {
    let mut size = Size::default();
    // SAFETY: the kernel writes one winsize, which `Size` is laid out as.
    Errno::result(unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &mut size) })?;
    Ok(size)
}

/// `TIOCSWINSZ`: on a master or its peer; the foreground process group gets SIGWINCH when it changes.
pub fn set_size(tty: impl AsFd, size: Size) -> Result<()> {
    // SAFETY: the kernel reads one winsize, which `Size` is laid out as.
    Errno::result(unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &size) }).map(drop)
}
