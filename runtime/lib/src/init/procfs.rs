//! A procfs that the container has no hand in.
//!
//! What is written to `/proc` decides over confinement (LSM labels, sysctls), and a container's image or volumes can
//! make its `/proc` something else (CVE-2019-16884, CVE-2025-52881). Ours is mounted nowhere.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use ketch_sys::mount::{Filesystem, attr};
use ketch_sys::{Errno, openat2};
use nix::fcntl::{OFlag, ResolveFlag, open, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use crate::step::{At, StepError};

/// A procfs of the calling process's pid namespace, to be used while the host's root is still the root.
#[derive(Debug)]
pub(crate) struct Procfs(OwnedFd);

impl Procfs {
    /// A detached one; or the host's `/proc`, where a user namespace may not mount its own (mount_namespaces(7): one that
    /// shows more than the parent's).
    pub(crate) fn open() -> Result<Procfs, StepError> {
        let own = || {
            let procfs = Filesystem::open(c"proc")?;
            procfs.create()?;
            procfs.mount(attr::NOSUID | attr::NODEV | attr::NOEXEC)
        };
        own().map(Procfs).or_else(|_: Errno| Procfs::host())
    }

    /// The one mounted on the host's `/proc`.
    pub(crate) fn host() -> Result<Procfs, StepError> {
        let host = open("/proc", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).at("open", "/proc")?;
        if !is_root(&host).at("inspect", "/proc")? {
            return Err(Errno::ENODEV).at("use as procfs", "/proc");
        }
        Ok(Procfs(host))
    }

    /// Opens the caller's namespace `name`, one of the magic links in `/proc/self/ns`.
    pub(crate) fn namespace(&self, name: &str) -> Result<OwnedFd, StepError> {
        let links = self.entry("self/ns", OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let open = openat(&links, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
        open.at("open", &format!("/proc/self/ns/{name}"))
    }

    /// Writes `text` to `path`, which is relative to `/proc`. Nothing mounted inside is passed through.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), StepError> {
        let object = format!("/proc/{path}");
        let file = self.entry(path, OFlag::O_WRONLY)?;
        match nix::unistd::write(&file, text.as_bytes()) {
            Ok(n) if n == text.len() => Ok(()),
            Ok(_) => Err(Errno::EIO).at("write all of a value to", &object),
            Err(errno) => Err(errno).at(&format!("write {:?} to", text.trim_end()), &object),
        }
    }

    /// Sets the mode of what `file` is open on with `O_PATH`. fchmod(2) refuses that, and fchmodat2(2) is only there since
    /// Linux 6.6.
    pub(crate) fn set_mode(&self, file: impl AsFd, mode: Mode) -> Result<(), Errno> {
        let number = file.as_fd().as_raw_fd().to_string();
        let links = self.entry("self/fd", OFlag::O_PATH | OFlag::O_DIRECTORY).map_err(|error| error.errno)?;
        fchmodat(&links, &*number, mode, FchmodatFlags::FollowSymlink)
    }

    /// procfs's own symlinks, such as `self`, are followed; magic links and mounts inside it are not.
    fn entry(&self, path: &str, flags: OFlag) -> Result<OwnedFd, StepError> {
        let resolve =
            ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        openat2::open(&self.0, path, flags, resolve).at("open", &format!("/proc/{path}"))
    }
}

/// Whether it is open on the root of a procfs, not on a directory in one, which names could be chosen for: the root has number 1.
pub(crate) fn is_root(directory: impl AsFd) -> Result<bool, Errno> {
    Ok(fstatfs(&directory)?.filesystem_type() == PROC_SUPER_MAGIC && fstat(&directory)?.st_ino == 1)
}
