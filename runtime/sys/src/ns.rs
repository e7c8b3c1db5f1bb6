//! Namespaces: ioctl_ns(2) and what a new one needs.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::{Errno, Result};

/// Whether the caller is in the first user namespace, whose inode number is fixed (`PROC_USER_INIT_INO`, linux/proc_ns.h).
pub fn in_first_user() -> Result<bool> {
    const FIRST: u64 = 0xEFFF_FFFD;
    nix::sys::stat::stat(c"/proc/self/ns/user").map(|stat| stat.st_ino == FIRST)
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
