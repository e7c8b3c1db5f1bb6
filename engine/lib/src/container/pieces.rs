//! A directory of the host below a throw-away upper, in pieces: for an ordinary user.
//!
//! The mounts that a user namespace starts with are locked to each other (mount_namespaces(7)), and overlayfs takes no
//! directory for a lower one that such mounts are on (EINVAL). So there is an overlay for each directory that nothing is mounted
//! below. Where something is mounted there is an empty directory, as below an overlay of the whole.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ketch_sys::mount;
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;

use crate::store::overlay;
use crate::tree;

/// Directories on a file system of its own, where all that is written goes.
pub(super) struct Places<'a> {
    pub(super) root: &'a Path,
    pub(super) upper: &'a Path,
    pub(super) work: &'a Path,
    /// A directory of the host that can be written to wherever it is. Overlayfs copies the directories above a new file from the
    /// lower side, and gives up where one's owner has no id in the user namespace (EOVERFLOW): these are made beforehand.
    pub(super) writable: Option<&'a Path>,
}

/// `lower`'s root as a tree of detached mounts.
///
/// Runs in a mount namespace that exists for this alone, in which `places` are. What is made beside the pieces, in a directory
/// that something is mounted below, is not in `places.upper`; files that are there already are read-only.
pub(super) fn join(lower: &Path, places: &Places<'_>) -> nix::Result<OwnedFd> {
    if let Some(path) = places.writable.and_then(|path| path.strip_prefix(lower).ok()) {
        make_along(lower, path, places.upper)?;
    }
    let mut pieces = 0;
    descend(lower, Path::new(""), places, &mut pieces)?;
    mount::clone_tree(AT_FDCWD, places.root, true)
}

/// As far as there are directories, on the same mount.
fn make_along(lower: &Path, path: &Path, upper: &Path) -> nix::Result<()> {
    let mut below = PathBuf::new();
    for name in path {
        let parent = File::open(lower.join(&below)).map_err(|error| errno(&error));
        below.push(name);
        match fs::symlink_metadata(lower.join(&below)) {
            Ok(found) if found.is_dir() && !is_mount(&parent?, name)? => {
                make(&upper.join(&below), found.mode() & 0o7777)?;
            }
            _ => break,
        }
    }
    Ok(())
}

fn descend(lower: &Path, below: &Path, places: &Places<'_>, pieces: &mut u32) -> nix::Result<()> {
    let here = lower.join(below);
    let directory = File::open(&here).map_err(|error| errno(&error))?;
    for entry in fs::read_dir(&here).map_err(|error| errno(&error))? {
        let entry = entry.map_err(|error| errno(&error))?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(|error| errno(&error))?);
        let below = below.join(&name);
        let target = places.root.join(&below);
        if kind.is_symlink() {
            symlink(fs::read_link(entry.path()).map_err(|error| errno(&error))?, &target)
                .map_err(|error| errno(&error))?;
        } else if kind.is_file() {
            File::create_new(&target).map_err(|error| errno(&error))?;
            bind_file(&entry.path(), &target)?;
        } else if kind.is_dir() {
            let mode = entry.metadata().map_err(|error| errno(&error))?.mode() & 0o7777;
            make(&target, mode)?;
            if !is_mount(&directory, &name)? {
                make(&places.upper.join(&below), mode)?;
                piece(lower, &below, places, pieces)?;
            }
        }
        // Devices, sockets and pipes of the host are not for a container.
    }
    Ok(())
}

/// An overlay for `below`, or else for what is in it.
fn piece(lower: &Path, below: &Path, places: &Places<'_>, pieces: &mut u32) -> nix::Result<()> {
    *pieces += 1;
    let work = places.work.join(pieces.to_string());
    make(&work, 0o700)?;
    let source: PathBuf = lower.join(below);
    match overlay(std::slice::from_ref(&source), Some((&places.upper.join(below), &work)), true) {
        Ok(root) => mount::attach(root, File::open(places.root.join(below)).map_err(|error| errno(&error))?),
        Err(Errno::EINVAL) => match descend(lower, below, places, pieces) {
            // What the user may not list stays empty.
            Err(Errno::EACCES) => Ok(()),
            descended => descended,
        },
        Err(Errno::EACCES) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn bind_file(source: &Path, target: &Path) -> nix::Result<()> {
    let read_only = mount::Change { set: mount::attr::RDONLY, ..mount::Change::default() };
    let file = mount::clone_tree_with(AT_FDCWD, source, false, read_only)?;
    mount::attach_followed(file, target)
}

fn make(path: &Path, mode: u32) -> nix::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(|error| errno(&error))?;
    // The umask has no say in it.
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| errno(&error))
}

fn is_mount(directory: &File, name: &OsStr) -> nix::Result<bool> {
    let name = std::ffi::CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?;
    tree::is_mount(directory, &name)
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}
