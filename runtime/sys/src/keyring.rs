//! Session keyrings.

use std::ffi::CStr;

use crate::{Errno, Result};

/// Serial number of a keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyring(i32);

/// `KEYCTL_JOIN_SESSION_KEYRING`: joins the keyring `name` of this user namespace if the caller
/// may search it, else makes it; without a name always a new one.
pub fn join_session(name: Option<&CStr>) -> Result<Keyring> {
    let name = name.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the kernel reads a C string that outlives the call, or gets a null pointer, which it allows.
    Errno::result(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name) })
        .map(|serial| Keyring(serial as i32))
}

/// `KEYCTL_SETPERM`: the permission mask of keyctl_setperm(3).
pub fn set_permissions(keyring: Keyring, mask: u32) -> Result<()> {
    // SAFETY: takes integers only.
    Errno::result(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_SETPERM, keyring.0, mask) }).map(drop)
}
