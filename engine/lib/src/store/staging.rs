//! `tmp/<random>/`: where one command prepares what is to enter the store.
//!
//! Its owner holds a lock (flock(2)) on the directory. So a directory without a lock is a dead command's, whatever
//! process id or pid namespace that had, and anybody may remove it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{Flock, FlockArg};

use super::StoreError;
use crate::Paths;

/// An own directory below `tmp/`; removed with all in it when dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
    lock: Flock<File>,
    /// How many scratch files there have been: threads ask for them at once.
    scratches: AtomicU64,
}

impl Staging {
    /// Makes it, where what dead commands have left is removed first.
    pub(crate) fn new(paths: &Paths) -> Result<Staging, StoreError> {
        clean(paths)?;
        let tmp = paths.tmp();
        for dir in [&tmp, &paths.layers(), &paths.splits(), &paths.mapped()] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(|error| StoreError::io("create", dir, error))?;
        }
        loop {
            let path = tmp.join(format!("{:016x}", random()?));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(StoreError::io("create", &path, error)),
            }
            // A cleaner may have found the directory before the lock was on it.
            if let Some(lock) = lock(&path).map_err(|error| StoreError::io("lock", &path, error))? {
                return Ok(Staging { path, lock, scratches: AtomicU64::new(0) });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An empty file on the store's file system that has no name and goes with its descriptor.
    pub(crate) fn scratch(&self) -> Result<File, StoreError> {
        let number = self.scratches.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("scratch.{number}"));
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|file| fs::remove_file(&path).map(|()| file))
            .map_err(|error| StoreError::io("create", &path, error))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next command that cleans.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what dead commands left in `tmp/`.
fn clean(paths: &Paths) -> Result<(), StoreError> {
    let tmp = paths.tmp();
    let entries = match fs::read_dir(&tmp) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io("read", &tmp, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| StoreError::io("read", &tmp, error))?.path();
        // The lock is held while its directory goes, so that no second cleaner meets half of it.
        let Some(_lock) = lock(&path).map_err(|error| StoreError::io("lock", &path, error))? else {
            continue;
        };
        fs::remove_dir_all(&path).map_err(|error| StoreError::io("remove", &path, error))?;
    }
    Ok(())
}

/// Locks the directory; None when somebody else has it or it is gone.
fn lock(path: &Path) -> io::Result<Option<Flock<File>>> {
    let dir = match File::open(path) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
        Ok(lock) if lock.metadata()?.nlink() > 0 => Ok(Some(lock)),
        Ok(_) | Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

fn random() -> Result<u64, StoreError> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 8];
    File::open(source)
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut bytes))
        .map_err(|error| StoreError::io("read", source, error))?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_files_of_several_threads() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { root: dir.path().join("root"), run: dir.path().join("run") };
        let staging = Staging::new(&paths).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..200).for_each(|_| drop(staging.scratch().unwrap())));
            }
        });
        assert_eq!(fs::read_dir(staging.path()).unwrap().count(), 0);
    }
}
