//! This program's own file, in a form that nobody can write to.
//!
//! CVE-2019-5736: a process that enters a container shows the container its executable as
//! `/proc/<pid>/exe`, and root in there could open that for writing and so replace the runtime on
//! the host. A program that runs from a read-only mount that is attached nowhere has nothing to replace.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{AT_FDCWD, AtFlags, FcntlArg, OFlag, SealFlag, fcntl, open, readlink};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fstat, stat};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::sys::statvfs::FsFlags;

use crate::mount::{self, Change, attr};
use crate::{Errno, Result};

const SELF: &CStr = c"/proc/self/exe";
const SEALS: SealFlag = SealFlag::F_SEAL_WRITE.union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SHRINK);

/// Executes this program again from [`read_only_exe`], with the same arguments and environment given here. Returns, and has
/// done nothing, if it runs from a file that cannot be written to already.
pub fn reexec_read_only(args: &[CString], env: &[CString]) -> Result<()> {
    if is_read_only()? {
        return Ok(());
    }
    execute(read_only_exe()?.as_fd(), args, env).map(|never| match never {})
}

/// Executes the program that `exe` is open on.
pub fn execute(exe: impl AsFd, args: &[CString], env: &[CString]) -> Result<Infallible> {
    nix::unistd::execveat(exe.as_fd(), c"", args, env, AtFlags::AT_EMPTY_PATH)
}

/// This program as a descriptor to execute: a detached read-only clone of its mount, or without the privilege for that,
/// a sealed copy in memory.
pub fn read_only_exe() -> Result<OwnedFd> {
    let read_only = Change { set: attr::RDONLY | attr::NOSUID | attr::NODEV, ..Change::default() };
    let cloned = match mount::clone_tree_with(AT_FDCWD, SELF, false, read_only) {
        // The file is in no mount of this namespace: a memfd, another detached clone, or it was executed in another one.
        Err(Errno::EINVAL) => clone_by_name(read_only),
        cloned => cloned,
    };
    match cloned {
        Err(Errno::EPERM | Errno::ENOSYS | Errno::EINVAL) => sealed_copy(),
        cloned => cloned,
    }
}

/// By its path, if that leads to the same file in this mount namespace; EINVAL if not.
fn clone_by_name(change: Change) -> Result<OwnedFd> {
    let path = readlink(SELF)?;
    let clone =
        mount::clone_tree_with(AT_FDCWD, path.as_os_str(), false, change).map_err(|_| Errno::EINVAL)?;
    let (own, found) = (stat(SELF)?, fstat(&clone)?);
    if (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino) { Ok(clone) } else { Err(Errno::EINVAL) }
}

/// Whether this program's file is on a read-only mount, or is sealed.
fn is_read_only() -> Result<bool> {
    let file_system = statfs(SELF)?;
    if file_system.flags().contains(FsFlags::ST_RDONLY) {
        return Ok(true);
    }
    // A memfd is a tmpfs's, and nothing else has seals.
    if file_system.filesystem_type() != TMPFS_MAGIC {
        return Ok(false);
    }
    let exe = open(SELF, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    match fcntl(&exe, FcntlArg::F_GET_SEALS) {
        Ok(seals) => Ok(SealFlag::from_bits_truncate(seals).contains(SEALS)),
        // Not a memfd: it has no seals.
        Err(Errno::EINVAL) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn sealed_copy() -> Result<OwnedFd> {
    let original = open(SELF, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let copy = memfd_create(c"exe", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    while nix::sys::sendfile::sendfile(&copy, &original, None, 1 << 30)? > 0 {}
    fcntl(&copy, FcntlArg::F_ADD_SEALS(SEALS | SealFlag::F_SEAL_SEAL))?;
    Ok(copy)
}
