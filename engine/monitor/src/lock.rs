//! The lock that says whose turn it is.
//!
//! `<run_dir>/lock` carries an open-file-description lock (fcntl(2), `F_OFD_SETLK`). The engine takes it for
//! writing before any transition (start, remove) and hands the locked descriptor to the monitor, which holds it
//! until the exit is recorded. So "locked" means "a monitor is alive, or a command is changing it", the kernel
//! drops it whatever dies, and waiting for an end is waiting for the lock: no poll, no pid file.
//!
//! A holder has two bytes. [`OWNER`] decides who holds; those who wait for an end queue at [`END`], whose shared
//! lock they get for an instant, so that a waiter is never taken for a holder.
//!
//! Every holder has a file of its own, which takes the place of the last one's: who waits for the end of one run is
//! not kept waiting by the next.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use ketch_sys::lock::{Kind, is_locked, lock, try_lock};

const OWNER: Range<i64> = 0..1;
const END: Range<i64> = 1..2;

/// A held write lock; dropping the last copy of the descriptor releases it.
#[derive(Debug)]
pub struct Lock(pub OwnedFd);

/// Takes the lock, or None when another process has it.
pub fn try_take(run_dir: &Path) -> io::Result<Option<Lock>> {
    let path = run_dir.join("lock");
    loop {
        let last = create(&path)?;
        if !try_lock(&last, Kind::Exclusive, OWNER)? {
            return Ok(None);
        }
        // Another one may have put its own file there meanwhile; then that one is asked.
        if is_at(&last, &path)? {
            return replace(&path).map(Some);
        }
    }
}

/// Puts a new, locked file at `path`. The caller holds the one that is there.
fn replace(path: &Path) -> io::Result<Lock> {
    let new = path.with_extension("new");
    let file = create(&new)?;
    lock(&file, Kind::Exclusive, OWNER)?;
    lock(&file, Kind::Exclusive, END)?;
    fs::rename(&new, path)?;
    Ok(Lock(file.into()))
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (file, there) = (file.metadata()?, fs::metadata(path));
    match there {
        Ok(there) => Ok((file.dev(), file.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whoever holds the lock now, to wait for the end of that one and no later one.
#[derive(Debug)]
pub struct Holder(Option<File>);

/// The present holder; waiting for none returns at once.
pub fn holder(run_dir: &Path) -> io::Result<Holder> {
    open(run_dir).map(Holder)
}

impl Holder {
    /// Returns when it has let go.
    pub fn wait(&self) -> io::Result<()> {
        match &self.0 {
            Some(file) => Ok(lock(file, Kind::Shared, END)?),
            None => Ok(()),
        }
    }
}

/// Whether someone holds it (`F_OFD_GETLK`: asks without taking). A missing file is not held.
pub fn is_held(run_dir: &Path) -> io::Result<bool> {
    match open(run_dir)? {
        Some(file) => Ok(is_locked(&file, Kind::Exclusive, OWNER)?),
        None => Ok(false),
    }
}

/// Returns when whoever holds it now has let go.
pub fn wait_free(run_dir: &Path) -> io::Result<()> {
    holder(run_dir)?.wait()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn open(run_dir: &Path) -> io::Result<Option<File>> {
    match File::open(run_dir.join("lock")) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_none_after_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_held(dir.path()).unwrap());
        wait_free(dir.path()).unwrap();

        let held = try_take(dir.path()).unwrap().unwrap();
        assert!(is_held(dir.path()).unwrap());
        assert!(try_take(dir.path()).unwrap().is_none());

        let copy = held.0.try_clone().unwrap();
        drop(held);
        assert!(is_held(dir.path()).unwrap(), "a copy of the descriptor keeps the lock");
        drop(copy);
        assert!(!is_held(dir.path()).unwrap());
        drop(try_take(dir.path()).unwrap().unwrap());
    }

    #[test]
    fn a_waiter_is_not_a_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = try_take(dir.path()).unwrap().unwrap();
        let path = dir.path().to_owned();
        let waiter = std::thread::spawn(move || wait_free(&path).unwrap());
        drop(held);
        waiter.join().unwrap();

        let file = open(dir.path()).unwrap().unwrap();
        lock(&file, Kind::Shared, END).unwrap();
        assert!(!is_held(dir.path()).unwrap());
        let path = dir.path().to_owned();
        let taker = std::thread::spawn(move || try_take(&path).unwrap().is_some());
        drop(file);
        assert!(taker.join().unwrap());
    }

    #[test]
    fn the_end_of_one_is_not_hidden_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let first = try_take(dir.path()).unwrap().unwrap();
        let holder = holder(dir.path()).unwrap();
        drop(first);
        let second = try_take(dir.path()).unwrap().unwrap();
        holder.wait().unwrap();
        assert!(is_held(dir.path()).unwrap());
        drop(second);
    }
}
