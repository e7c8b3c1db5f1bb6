//! The root of a container without a mount namespace.
//!
//! It is a mount among the host's, at the root's path, and private: all that the container mounts lies below it, spreads to
//! nowhere, and goes away with it. A note of it in the container's directory outlives whoever made it.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use ketch_sys::mount::{self, Propagation};
use ketch_sys::{Errno, file};
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, umount2};
use serde::{Deserialize, Serialize};

use super::directory::write_atomically;
use super::state::boot_id;
use crate::plan::Root;
use crate::rootfs::root;
use crate::step::{At, StepError};

const NOTE: &str = "root.mount";

/// What tells the mount from another at the same path.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    path: PathBuf,
    id: u64,
    boot_id: String,
}

/// Attaches the root, or `given`, a detached mount, in its place; what comes back is open on it. It is noted in `directory`, the
/// container's, before it is there.
pub(super) fn attach(directory: &Path, plan: &Root, given: Option<OwnedFd>) -> Result<OwnedFd, StepError> {
    let path = &plan.path;
    let step = "mount, among the host's mounts, the container's root on";
    let tree = match given {
        Some(tree) => tree,
        None => root::clone(path)?,
    };
    root::set(&tree, true, Propagation::Private).at(step, path)?;
    let note = Note {
        path: path.clone(),
        id: mount::id(&tree).at(step, path)?,
        boot_id: boot_id().at("read", "/proc/sys/kernel/random/boot_id")?,
    };
    let file = directory.join(NOTE);
    let text = serde_json::to_vec(&note).map_err(std::io::Error::other).at("write", &file)?;
    write_atomically(&file, 0o600, &text)?;
    mount::attach_followed(&tree, path).at(step, path)?;
    // What is attached below a shared mount becomes shared itself (mount_namespaces(7)).
    root::set(&tree, true, Propagation::Private).at(step, path)?;
    Ok(tree)
}

/// The root that is noted in `directory`, open; None if it is not, or no longer, where it was attached.
pub(super) fn open(directory: &Path) -> Result<Option<OwnedFd>, StepError> {
    let file = directory.join(NOTE);
    let text = match std::fs::read(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.at("read", &file)?,
    };
    let note: Note = serde_json::from_slice(&text).map_err(std::io::Error::other).at("read", &file)?;
    if boot_id().at("read", "/proc/sys/kernel/random/boot_id")? != note.boot_id {
        return Ok(None);
    }
    match file::open(&note.path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Ok(mount) if mount::id(&mount).at("inspect", &note.path)? != note.id => Ok(None),
        opened => opened.map(Some).at("open", &note.path),
    }
}

/// Unmounts what [`attach`] has mounted, with all that is below, and removes the note.
pub(super) fn detach(directory: &Path) -> Result<(), StepError> {
    if let Some(mount) = open(directory)? {
        let step = "unmount";
        // What is still connected with the host's mounts would be unmounted there too.
        root::set(&mount, true, Propagation::Private).at(step, "the container's root")?;
        // By the descriptor: a path could lead elsewhere by now.
        let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
        umount2(&*path, MntFlags::MNT_DETACH).at(step, "the container's root")?;
    }
    match std::fs::remove_file(directory.join(NOTE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.at("remove", &directory.join(NOTE)),
    }
}
