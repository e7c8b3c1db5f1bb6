//! Whole directory trees, by descriptor: no name is resolved twice, no symlink is followed, and no mount is crossed unless
//! [`Mounts::Cross`] says so.

mod away;
mod copy;
mod own;
mod remove;
mod size;

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use ketch_sys::openat2;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::{SFlag, fstatat};
use nix::sys::statfs::{self, FsType, fstatfs};

pub(crate) use away::Away;
pub(crate) use copy::{Copy, copy};
pub(crate) use own::own;
pub(crate) use remove::remove;
pub(crate) use remove::remove_in;
pub(crate) use size::size;

/// What failed in a tree: the step, and the path below the tree's top.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {path}: {}", .errno.desc().to_lowercase())]
pub struct TreeError {
    step: &'static str,
    path: String,
    errno: Errno,
}

impl TreeError {
    pub(crate) fn new(step: &'static str, path: &str, errno: Errno) -> TreeError {
        TreeError { step, path: path.to_owned(), errno }
    }

    fn at(step: &'static str, name: &CString) -> impl FnOnce(Errno) -> TreeError {
        move |errno| TreeError { step, path: name.to_string_lossy().into_owned(), errno }
    }

    /// Puts the directory that the error came out of before its path.
    fn within(mut self, name: &CString) -> TreeError {
        self.path = format!("{}/{}", name.to_string_lossy(), self.path);
        self
    }
}

/// Trees deeper than this come from somebody who means harm: each level holds a descriptor.
pub(crate) const DEEPEST: usize = 256;

/// What becomes of mounts in a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mounts {
    /// Meeting one is an error (EXDEV).
    #[default]
    Refuse,
    /// Their files belong to the tree, but for those of file systems that the kernel makes up (procfs, sysfs, …), which
    /// have no end and no meaning elsewhere.
    Cross,
}

/// One name in a directory.
pub(crate) struct Entry {
    pub(crate) name: CString,
    pub(crate) directory: bool,
}

/// All names in `dir`, read before any of them is changed; and `dir` again.
pub(crate) fn entries(dir: OwnedFd) -> nix::Result<(Dir, Vec<Entry>)> {
    let mut list = Vec::new();
    let mut stream = Dir::from_fd(dir)?;
    let mut unknown = Vec::new();
    for entry in stream.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        // Not every file system says.
        if entry.file_type().is_none() {
            unknown.push(list.len());
        }
        let directory = entry.file_type() == Some(Type::Directory);
        list.push(Entry { name: name.to_owned(), directory });
    }
    for index in unknown {
        list[index].directory = is_directory(&stream, &list[index].name)?;
    }
    Ok((stream, list))
}

fn is_directory(dir: impl AsFd, name: &std::ffi::CStr) -> nix::Result<bool> {
    let stat = fstatat(dir, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}

pub(crate) fn subdirectory(dir: impl AsFd, name: &CString) -> nix::Result<OwnedFd> {
    openat2::open_beneath(dir, name.as_c_str(), OFlag::O_RDONLY | OFlag::O_DIRECTORY)
}

/// Whether something is mounted on `name` in `dir`, which may be in another mount namespace: there the kernel lets a name go
/// that has a mount on it, and takes the mount off.
pub(crate) fn is_mount(dir: impl AsFd, name: &std::ffi::CStr) -> nix::Result<bool> {
    match openat2::open_beneath(dir, name, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
        Err(Errno::EXDEV) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        opened => opened.map(|_| false),
    }
}

impl Mounts {
    /// Opens what has this name in `dir`; a symlink is not followed (ELOOP).
    pub(crate) fn open(self, dir: impl AsFd, name: &std::ffi::CStr, flags: OFlag) -> nix::Result<OwnedFd> {
        match self {
            Mounts::Refuse => openat2::open_beneath(dir, name, flags | OFlag::O_NOFOLLOW),
            Mounts::Cross => {
                let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
                openat2::open(dir, name, flags | OFlag::O_NOFOLLOW, resolve)
            }
        }
    }

    pub(crate) fn subdirectory(self, dir: impl AsFd, name: &std::ffi::CStr) -> nix::Result<OwnedFd> {
        self.open(dir, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
    }

    /// Whether `dir` is of a file system whose files are left out.
    pub(crate) fn leaves_out(self, dir: impl AsFd) -> nix::Result<bool> {
        Ok(self == Mounts::Cross && MADE_UP.contains(&fstatfs(dir)?.filesystem_type()))
    }
}

/// magic.h; those that nix has no name for by number.
const MADE_UP: [FsType; 8] = [
    statfs::PROC_SUPER_MAGIC,
    statfs::SYSFS_MAGIC,
    statfs::CGROUP_SUPER_MAGIC,
    statfs::CGROUP2_SUPER_MAGIC,
    statfs::DEVPTS_SUPER_MAGIC,
    statfs::SECURITYFS_MAGIC,
    statfs::DEBUGFS_MAGIC,
    FsType(0x1980_0202), // mqueue, ipc/mqueue.c
];
