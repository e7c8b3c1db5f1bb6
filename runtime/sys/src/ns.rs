//! Namespaces: ioctl_ns(2) and what a new one needs.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::{Errno, Result};

/// Whether the caller is in the first user namespace, whose inode number is fixed (`PROC_USER_INIT_INO`, linux/proc_ns.h).
pub fn in_first_user() -> Result<bool> {
    const FIRST: u64 = 0xEFFF_FFFD;
    nix::sys::stat::stat(c"/proc/self/ns/user").map(|stat| stat.st_ino == FIRST)
}

/// The user namespace that the user namespace `user` was made in: `NS_GET_PARENT` of ioctl_ns(2). EPERM: that is beyond the
/// caller's own.
pub fn parent(user: impl AsFd) -> Result<OwnedFd> {
    // _IO(0xb7, 2)
    const NS_GET_PARENT: libc::c_ulong = 0xb702;
    // SAFETY: takes no argument; the answer is a new descriptor.
    unsafe {
        let fd = Errno::result(libc::ioctl(user.as_fd().as_raw_fd(), NS_GET_PARENT as libc::Ioctl))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Brings the loopback interface of the current network namespace up: netdevice(7).
pub fn loopback_up() -> Result<()> {
    // SAFETY: takes integers only; the answer is a new descriptor.
    let socket = unsafe {
        let fd = Errno::result(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0))?;
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the kernel reads one ifreq.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as libc::Ioctl, &raw const request) };
    Errno::result(result).map(drop)
}
