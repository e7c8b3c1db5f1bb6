//! What a container needs on disk before it starts: its own files, its volumes, its working directory.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::Path;

use super::FileError;
use super::root::{self, RootError};
use crate::Engine;
use crate::spec::Build;
use crate::state::containers::Record;
use crate::tree::{self, TreeError};
use crate::userns::{Acting, Users};
use crate::volume::{self, FillError};

#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Fill(#[from] FillError),
    #[error("cannot give a mount's source to the container's user")]
    Own(#[source] TreeError),
    #[error("cannot act as the container's root: {}", .0.desc().to_lowercase())]
    Acting(nix::errno::Errno),
}

/// Makes it all; done again at every start, and no harm in that.
pub(super) fn prepare(
    engine: &Engine,
    record: &Record,
    build: &Build,
    rootfs: BorrowedFd<'_>,
    users: Option<&Users>,
) -> Result<(), PrepareError> {
    let outside = |owner| users.map_or(owner, |users| users.outside(owner));
    for file in &build.files {
        if let Some(content) = &file.content {
            write(&file.path, content, file.mode)?;
            if users.is_some() {
                let (uid, gid) = outside((0, 0));
                chown(&file.path, Some(uid), Some(gid)).map_err(FileError::at("give away", &file.path))?;
            }
        }
    }
    for volume in &build.volumes {
        volume::fill(engine, volume, rootfs, outside((0, 0)))?;
    }
    let owner = outside((build.user.uid, build.user.gid));
    for source in &build.chown {
        tree::own(source, owner.0, owner.1).map_err(PrepareError::Own)?;
    }
    let acting = users.map(|users| Acting::root_of(&users.maps)).transpose().map_err(PrepareError::Acting)?;
    // The user's own directory is not changed; an overlay's lower and a read-only image stay as they are.
    let own_root = record.options.rootfs.as_ref().is_none_or(|rootfs| rootfs.overlay);
    if own_root {
        let accounts = &build.accounts;
        for (path, lines) in [("etc/passwd", &accounts.passwd), ("etc/group", &accounts.group)] {
            for line in lines {
                root::append_line(rootfs, path, line)?;
            }
        }
    }
    workdir(record, build, rootfs, own_root, owner)?;
    drop(acting);
    Ok(())
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

/// The image's working directory is made when missing; one that the user named must be there, in the root or in a mount.
fn workdir(
    record: &Record,
    build: &Build,
    rootfs: BorrowedFd<'_>,
    own_root: bool,
    owner: (u32, u32),
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
        root::make_directory(rootfs, path, owner)?;
    }
    Ok(())
}
