//! Copy-up: a new volume gets what the image has in its place.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::chown;
use std::path::Path;

use ketch_sys::openat2;
use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{Lock, mount_point};
use crate::container::FileError;
use crate::spec;
use crate::tree::{self, TreeError};
use crate::{Engine, state};

#[derive(Debug, thiserror::Error)]
pub enum FillError {
    #[error("volume {0} is gone: no such volume")]
    Gone(String),
    #[error("cannot fill the volume {volume} from the image")]
    Copy { volume: String, source: TreeError },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Makes the volume ready for a container whose root is `rootfs`: done at every start.
///
/// A new volume without content gets the image's, and its directory's owner and mode, all at once: a copy that was
/// killed is made anew. An image without that directory leaves it empty.
///
/// `root` is who the container's root is outside, to whom an empty one is given.
pub(crate) fn fill(
    engine: &Engine,
    volume: &spec::Volume,
    rootfs: BorrowedFd<'_>,
    root: (u32, u32),
) -> Result<(), FillError> {
    let name = &volume.name;
    let gone = || FillError::Gone(name.clone());
    let path = mount_point(&engine.paths, name);
    if !engine.db.volume(name)?.ok_or_else(gone)?.fresh && path.exists() {
        return Ok(());
    }
    let _lock = Lock::take(&engine.paths)?;
    // Another container may have come first.
    if !engine.db.volume(name)?.ok_or_else(gone)?.fresh && path.exists() {
        return Ok(());
    }
    fs::create_dir_all(&path).map_err(FileError::at("make the directory", &path))?;
    if root != (0, 0) && is_empty(&path)? {
        chown(&path, Some(root.0), Some(root.1)).map_err(FileError::at("give away", &path))?;
    }
    if volume.copy && is_empty(&path)? {
        copy_up(volume, &path, rootfs)?;
    }
    Ok(engine.db.volume_is_filled(name)?)
}

fn is_empty(path: &Path) -> Result<bool, FileError> {
    let mut entries = fs::read_dir(path).map_err(FileError::at("list", path))?;
    Ok(entries.next().is_none())
}

fn copy_up(volume: &spec::Volume, path: &Path, rootfs: BorrowedFd<'_>) -> Result<(), FillError> {
    let failed = |source| FillError::Copy { volume: volume.name.clone(), source };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let from = match openat2::open_in_root(rootfs, volume.destination.as_str(), flags) {
        Ok(from) => from,
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(()),
        Err(errno) => {
            return Err(failed(TreeError::new("open", &volume.destination, errno)));
        }
    };
    let staged = path.with_file_name("_data.new");
    tree::remove(&staged).map_err(failed)?;
    fs::create_dir(&staged).map_err(FileError::at("make the directory", &staged))?;
    let to = fs::File::open(&staged).map_err(FileError::at("open", &staged))?;
    tree::copy(from, to.as_fd()).map_err(failed)?;
    // In place of the empty directory.
    Ok(fs::rename(&staged, path).map_err(FileError::at("name", path))?)
}
