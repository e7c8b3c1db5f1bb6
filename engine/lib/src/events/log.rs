//! The file of events: `log`, and `log.1`, which was `log` before it had grown to [`LIMIT`].
//!
//! A line is one `write(2)` on a file opened with O_APPEND, which the kernel lets nobody else's write into. So writers
//! need no lock, and what is killed leaves whole lines.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The file that is written.
pub(super) const CURRENT: &str = "log";
/// The one before.
pub(super) const LAST: &str = "log.1";

/// Bytes: some thousands of events in each of the two.
const LIMIT: u64 = 1 << 20;

/// Adds whole lines.
pub(super) fn append(dir: &Path, lines: &[u8]) -> io::Result<()> {
    append_up_to(LIMIT, dir, lines)
}

fn append_up_to(limit: u64, dir: &Path, lines: &[u8]) -> io::Result<()> {
    let path = dir.join(CURRENT);
    let mut file = match open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Not its parents: an engine whose root is gone has nothing to say any more.
            match DirBuilder::new().mode(0o700).create(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => open(&path)?,
            }
        }
        opened => opened?,
    };
    file.write_all(lines)?;
    if file.metadata()?.len() >= limit {
        rotate(&file, dir)?;
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// `log` becomes `log.1`. Whoever has it open still goes on writing to it, and nothing of that is lost.
fn rotate(file: &File, dir: &Path) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => {}
        // Another one is at it.
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let path = dir.join(CURRENT);
    // Another one may have done it before. Whoever renames it holds its lock, so the answer stays true.
    if fs::metadata(&path)?.ino() == file.metadata()?.ino() {
        fs::rename(&path, dir.join(LAST))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_younger_than_the_last_rotation_is_lost() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("events");
        for number in 0..100 {
            append_up_to(100, &dir, format!("{number:09}\n").as_bytes()).unwrap();
        }
        // Ten lines fill a file: the last full one, and what has come since.
        let text = |name| fs::read_to_string(dir.join(name)).unwrap_or_default();
        let lines: Vec<usize> =
            [text(LAST), text(CURRENT)].concat().lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(lines, (90..100).collect::<Vec<_>>());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }

    #[test]
    fn many_writers_at_once_write_whole_lines() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("events");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let dir = &dir;
                scope.spawn(move || {
                    for number in 0..200 {
                        append(dir, format!("{writer} {number}\n").as_bytes()).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(dir.join(CURRENT)).unwrap();
        for writer in 0..8 {
            let own: Vec<usize> = text
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{writer} ")))
                .map(|number| number.parse().unwrap())
                .collect();
            assert_eq!(own, (0..200).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_made_where_no_engine_is() {
        let root = tempfile::tempdir().unwrap();
        let gone = root.path().join("gone");
        append(&gone.join("events"), b"x\n").unwrap_err();
        assert!(!gone.exists());
    }
}
