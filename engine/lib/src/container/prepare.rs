//! What a container needs on disk before it starts: its own files, its volumes, its working directory.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ketch_sys::openat2;
use nix::fcntl::OFlag;

use super::FileError;
use super::root::{self, RootError};
use super::tree::{self, TreeError};
use crate::spec::{Build, Volume};
use crate::state::containers::Record;

#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("cannot fill the volume {volume} from the image")]
    Copy { volume: String, source: TreeError },
    #[error("cannot give a mount's source to the container's user")]
    Own(#[source] TreeError),
}

/// Makes it all; done again at every start, and no harm in that.
pub(super) fn prepare(record: &Record, build: &Build, rootfs: BorrowedFd<'_>) -> Result<(), PrepareError> {
    for file in &build.files {
        if let Some(content) = &file.content {
            write(&file.path, content, file.mode)?;
        }
    }
    for volume in &build.volumes {
        fill(volume, rootfs)?;
    }
    for source in &build.chown {
        tree::own(source, build.user.uid, build.user.gid).map_err(PrepareError::Own)?;
    }
    // The user's own directory is not changed; an overlay's lower and a read-only image stay as they are.
    let own_root = record.options.rootfs.as_ref().is_none_or(|rootfs| rootfs.overlay);
    if own_root {
        for (path, line) in [("etc/passwd", &build.passwd_line), ("etc/group", &build.group_line)] {
            if let Some(line) = line {
                root::append_line(rootfs, path, line)?;
            }
        }
    }
    workdir(record, build, rootfs, own_root)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .map_err(FileError::at("make", path))?;
    file.write_all(content).map_err(FileError::at("write", path))
}

/// A volume is filled once. It gets its name when it is whole: a copy that was killed is made anew.
fn fill(volume: &Volume, rootfs: BorrowedFd<'_>) -> Result<(), PrepareError> {
    if volume.path.exists() {
        return Ok(());
    }
    let staged = volume.path.with_extension("new");
    let failed = |source| PrepareError::Copy { volume: volume.destination.clone(), source };
    tree::remove(&staged).map_err(failed)?;
    fs::create_dir_all(&staged).map_err(FileError::at("make", &staged))?;
    if volume.copy {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        // Where the image has nothing, or no directory, there is nothing to copy.
        if let Ok(from) = openat2::open_in_root(rootfs, volume.destination.as_str(), flags) {
            let to = fs::File::open(&staged).map_err(FileError::at("open", &staged))?;
            tree::copy(from, to.as_fd()).map_err(failed)?;
        }
    }
    Ok(fs::rename(&staged, &volume.path).map_err(FileError::at("name", &volume.path))?)
}

/// The image's working directory is made when missing; one that the user named must be there, in the root or in a mount.
fn workdir(
    record: &Record,
    build: &Build,
    rootfs: BorrowedFd<'_>,
    own_root: bool,
) -> Result<(), PrepareError> {
    let path = &build.workdir.path;
    let mounted = build.spec.mounts().iter().flatten().any(|mount| path.starts_with(mount.destination()));
    if path == Path::new("/") || mounted || root::has_directory(rootfs, path) {
        return Ok(());
    }
    if !build.workdir.create {
        return Err(RootError::Workdir { path: path.clone(), id: record.id.clone() }.into());
    }
    if own_root {
        root::make_directory(rootfs, path, (build.user.uid, build.user.gid))?;
    }
    Ok(())
}
