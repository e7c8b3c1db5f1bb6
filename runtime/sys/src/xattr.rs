//! Extended attributes: setxattr(2), getxattr(2).

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use nix::NixPath;
use nix::errno::Errno;

use crate::Result;

/// Sets `name` to `value` on an open file. `fd` must not be `O_PATH`.
pub fn fset(fd: BorrowedFd<'_>, name: &[u8], value: &[u8]) -> Result<()> {
    name.with_nix_path(|name| {
        // SAFETY: `name` is NUL-terminated, `value` is valid for `value.len()` bytes; the kernel keeps neither.
        let result =
            unsafe { libc::fsetxattr(fd.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
        Errno::result(result).map(drop)
    })?
}

/// Sets `name` to `value` on `path` itself, be it a symbolic link.
pub fn lset(path: &Path, name: &[u8], value: &[u8]) -> Result<()> {
    path.with_nix_path(|path| {
        name.with_nix_path(|name| {
            // SAFETY: `path` and `name` are NUL-terminated, `value` is valid for `value.len()` bytes; the kernel
            // keeps none of them.
            let result = unsafe {
                libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0)
            };
            Errno::result(result).map(drop)
        })?
    })?
}
