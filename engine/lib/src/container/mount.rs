//! `mount` and `unmount`: a container's root where the host sees it.
//!
//! It is at `merged` in the container's directory, which is there as long as the mount is. A container that is started
//! meanwhile gets the same overlay: an upper directory in two of them would be undefined.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use ketch_sys::mount;
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};

use super::FileError;
use super::inside::{InsideError, Scope, open_inside};
use crate::Engine;
use crate::events::{Action, Event};
use crate::state::containers::Record;
use crate::tree::is_mount;

#[derive(Debug, thiserror::Error)]
pub enum MountError {
    #[error(transparent)]
    Inside(#[from] InsideError),
    #[error("cannot {step} {}: {}", path.display(), .errno.desc().to_lowercase())]
    Mount { step: &'static str, path: PathBuf, errno: Errno },
    #[error(transparent)]
    File(#[from] FileError),
}

/// Mounts the root, if it is not yet, and returns where. The calling process must have one thread.
pub fn mount(engine: &Engine, record: &Record) -> Result<PathBuf, MountError> {
    let dir = engine.paths.container(&record.id);
    let inside = open_inside(engine, record, Scope::Root)?;
    if point(&dir).is_none() {
        let path = attach(inside.root(), &dir.join(NAME))?;
        debug_assert_eq!(point(&dir), Some(path));
    }
    engine.event(Event::of_container(record, Action::Mount));
    Ok(dir.join(NAME))
}

/// Takes it away; a container that is not mounted is no error.
pub fn unmount(engine: &Engine, record: &Record) -> Result<(), MountError> {
    if detach(&engine.paths.container(&record.id), NAME)? {
        engine.event(Event::of_container(record, Action::Unmount));
    }
    Ok(())
}

/// Where the container is mounted.
pub fn mount_point(engine: &Engine, record: &Record) -> Option<PathBuf> {
    point(&engine.paths.container(&record.id))
}

const NAME: &str = "merged";

/// The same for a container's directory.
pub(super) fn point(dir: &Path) -> Option<PathBuf> {
    is_mounted(dir, NAME).then(|| dir.join(NAME))
}

/// Takes a mount away that keeps a container's directory from being removed; whether there was one.
pub(super) fn release(dir: &Path) -> bool {
    detach(dir, NAME).unwrap_or(false)
}

/// Whether something is mounted on `name` in `dir`.
pub(crate) fn is_mounted(dir: &Path, name: &str) -> bool {
    let name = std::ffi::CString::new(name).unwrap_or_default();
    File::open(dir).is_ok_and(|dir| is_mount(&dir, &name).unwrap_or(false))
}

/// Attaches the detached mount `root` at `path`.
pub(crate) fn attach(root: impl std::os::fd::AsFd, path: &Path) -> Result<PathBuf, MountError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(FileError::at("make the directory", path))?,
    }
    let target = File::open(path).map_err(FileError::at("open", path))?;
    let failed = |errno| MountError::Mount { step: "mount the root on", path: path.to_owned(), errno };
    mount::attach(root, target).map_err(failed)?;
    Ok(path.to_owned())
}

/// Detaches what is mounted on `name` in `dir`, and removes the directory below; whether there was one.
pub(crate) fn detach(dir: &Path, name: &str) -> Result<bool, MountError> {
    let path = dir.join(name);
    let failed = |errno| MountError::Mount { step: "unmount", path: path.clone(), errno };
    let was = is_mounted(dir, name);
    if was {
        umount2(&path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).map_err(failed)?;
    }
    match fs::remove_dir(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::at("remove", &path)(error).into())
        }
        _ => Ok(was),
    }
}
