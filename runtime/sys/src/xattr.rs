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

/// Names of the attributes of an open file, each without its NUL. `fd` must not be `O_PATH`.
pub fn flist(fd: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>> {
    let list = grown(|buffer| {
        // SAFETY: the kernel writes at most `buffer.len()` bytes to it.
        unsafe { libc::flistxattr(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) }
    })?;
    Ok(list.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}

/// The value of `name` of an open file. `fd` must not be `O_PATH`.
pub fn fget(fd: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<u8>> {
    name.with_nix_path(|name| {
        grown(|buffer| {
            // SAFETY: `name` is NUL-terminated; the kernel writes at most `buffer.len()` bytes to the buffer.
            unsafe {
                libc::fgetxattr(fd.as_raw_fd(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
            }
        })
    })?
}

/// Calls with a buffer that is large enough: ERANGE says that it was not.
fn grown(mut call: impl FnMut(&mut [u8]) -> libc::ssize_t) -> Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match Errno::result(call(&mut buffer)) {
            Err(Errno::ERANGE) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 8, 0),
            result => {
                buffer.truncate(result?.cast_unsigned());
                return Ok(buffer);
            }
        }
    }
}
