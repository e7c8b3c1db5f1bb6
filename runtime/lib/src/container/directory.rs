//! `<root>/<id>`: a container's directory, whose making is the check that the id is free.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use ketch_cgroups::systemd::Unit;
use ketch_sys::{Errno, file};
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, OFlag, openat};
use nix::sys::stat::Mode;

use super::create::CreateError;
use super::state::{FILE, State, StateError};
use crate::rdt;
use crate::step::{At, StepError};

/// Symlinks to where the cgroup is below each hierarchy's root, or to a unit's description (JSON); the first before it is made,
/// the second after.
pub(super) const CGROUP_PLANNED: &str = "cgroup.planned";
pub(super) const CGROUP_OWNED: &str = "cgroup";

/// Symlinks to directories of resctrl that are the container's own.
pub(super) const RDT_MONITORING: &str = "rdt.monitoring";
pub(super) const RDT_CLASS: &str = "rdt.class";

/// A new container's directory, locked until it is dropped: `delete` waits for that.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) lock: Flock<File>,
}

impl Directory {
    pub(super) fn make(root: &Path, id: &str) -> Result<Directory, CreateError> {
        let path = root.join(id);
        let make = || DirBuilder::new().mode(0o711).create(&path);
        let made = match make() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o711)
                    .create(root)
                    .at("make the runtime's root", root)?;
                make()
            }
            made => made,
        };
        match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(CreateError::Exists(id.to_owned()));
            }
            made => made.at("make", &path)?,
        }
        let lock = open(&path).at("open", &path)?;
        let lock =
            Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno).at("lock", &path)?;
        Ok(Directory { path, lock })
    }

    /// Notes where the cgroup will be, for a `delete` after a `create` that was killed before it wrote the state.
    pub(super) fn plan_cgroup(&self, cgroup: &Path) -> Result<(), StepError> {
        let note = self.path.join(CGROUP_PLANNED);
        // A symlink: whole or not there, in one call.
        std::os::unix::fs::symlink(cgroup, &note).at("make", &note)
    }

    /// The same for a unit that systemd is to start.
    pub(super) fn plan_unit(&self, unit: &Unit) -> Result<(), StepError> {
        let text = serde_json::to_string(unit).map_err(std::io::Error::other);
        self.plan_cgroup(Path::new(&text.at("describe", &unit.name)?))
    }

    /// Notes that the cgroup is made: whatever is in it from now on is the container's.
    pub(super) fn own_cgroup(&self) -> Result<(), StepError> {
        let note = self.path.join(CGROUP_OWNED);
        std::fs::rename(self.path.join(CGROUP_PLANNED), &note).at("make", &note)
    }

    /// Notes which directories of resctrl will be made for the container, for the same case.
    pub(super) fn plan_rdt(&self, group: &rdt::Group) -> Result<(), StepError> {
        let own = group.own.then_some(&group.directory);
        for (name, directory) in [(RDT_MONITORING, group.monitoring.as_ref()), (RDT_CLASS, own)] {
            if let Some(directory) = directory {
                let note = self.path.join(name);
                std::os::unix::fs::symlink(directory, &note).at("make", &note)?;
            }
        }
        Ok(())
    }

    pub(super) fn write_state(&self, state: &State) -> Result<(), StepError> {
        write_state(&self.path, state)
    }
}

fn open(directory: &Path) -> Result<File, Errno> {
    file::open(directory, OFlag::O_RDONLY | OFlag::O_DIRECTORY).map(File::from)
}

/// Holds a container's directory against a `delete`, another `update`, and against a `create` still at work on it.
pub(super) fn lock(root: &Path, id: &str) -> Result<Flock<File>, StateError> {
    let path = root.join(id);
    let missing = || StateError::NotFound { id: id.to_owned() };
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => missing(),
        _ => StateError::Lock { path: path.clone(), source },
    };
    let directory = open(&path).map_err(|errno| failed(errno.into()))?;
    let lock = Flock::lock(directory, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))?;
    // Whoever held the lock before may have removed the directory, and a new container may bear its name.
    let (held, now) = (lock.metadata().map_err(failed)?, path.metadata().map_err(failed)?);
    if (held.dev(), held.ino()) == (now.dev(), now.ino()) { Ok(lock) } else { Err(missing()) }
}

/// Writes the state into a container's directory, the lock on which is held.
pub(super) fn write_state(directory: &Path, state: &State) -> Result<(), StepError> {
    let path = directory.join(FILE);
    let text = state.to_json().map_err(std::io::Error::other).at("write", &path)?;
    write_atomically(&path, 0o600, &text)
}

/// Puts a file in its place whole: no reader ever sees a part of it.
pub(super) fn write_atomically(path: &Path, mode: u32, text: &[u8]) -> Result<(), StepError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_CLOEXEC;
        // openat, because musl's open sets close-on-exec with a second call.
        let file = openat(AT_FDCWD, &new, flags, Mode::from_bits_truncate(mode))?;
        File::from(file).write_all(text)?;
        std::fs::rename(&new, path)
    };
    write().at("write", path).inspect_err(|_| drop(std::fs::remove_file(&new)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_once() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let root = root.path().join("new/root");
        let _first = Directory::make(&root, "a").expect("free");
        assert!(matches!(Directory::make(&root, "a"), Err(CreateError::Exists(id)) if id == "a"));
    }
}
