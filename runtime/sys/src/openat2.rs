//! openat2(2): paths that must not lead out of a directory.

use std::os::fd::{AsFd, OwnedFd};

use nix::NixPath;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;

use crate::{Errno, Result};

/// Opens `path` as a process whose root is `root` would; `O_CLOEXEC` is added. Magic links (`/proc/<pid>/fd`) are refused.
pub fn open_in_root(root: impl AsFd, path: &(impl NixPath + ?Sized), flags: OFlag) -> Result<OwnedFd> {
    open(root, path, flags, ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS)
}

/// Opens `path` below `dir`, in one and the same mount and through no symlink: what comes back is of `dir`'s own file system.
pub fn open_beneath(dir: impl AsFd, path: &(impl NixPath + ?Sized), flags: OFlag) -> Result<OwnedFd> {
    open(
        dir,
        path,
        flags,
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_SYMLINKS,
    )
}

/// openat2 with any `resolve` flags.
pub fn open(
    dir: impl AsFd,
    path: &(impl NixPath + ?Sized),
    flags: OFlag,
    resolve: ResolveFlag,
) -> Result<OwnedFd> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(Mode::empty()).resolve(resolve);
    loop {
        match nix::fcntl::openat2(dir.as_fd(), path, how) {
            // A rename or mount elsewhere raced with a `..`: the kernel asks to try again.
            Err(Errno::EAGAIN) => {}
            result => return result,
        }
    }
}
