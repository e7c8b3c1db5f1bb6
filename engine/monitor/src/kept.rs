//! A container that is created and waits for another command to start it: what tells of it, in `<run_dir>/kept`.
//!
//! The file names its init, so that one which a killed monitor has left says nothing of a later run. It has one word while the
//! container waits, and a second one, the time of its start, from then on.

use std::fs;
use std::io;
use std::path::Path;

const FILE: &str = "kept";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    Waiting,
    /// It was started; RFC 3339.
    Since(String),
}

/// None: the container of this init was started by the command that made it.
pub fn read(run_dir: &Path, pid: i32) -> Option<Kept> {
    let text = fs::read_to_string(run_dir.join(FILE)).ok()?;
    let mut words = text.split_whitespace();
    if words.next()?.parse() != Ok(pid) {
        return None;
    }
    Some(words.next().map_or(Kept::Waiting, |started| Kept::Since(started.to_owned())))
}

/// In place of what was there, at once.
pub(crate) fn write(run_dir: &Path, pid: i32, kept: &Kept) -> io::Result<()> {
    let started = match kept {
        Kept::Waiting => "",
        Kept::Since(started) => started,
    };
    let new = run_dir.join("kept.new");
    fs::write(&new, format!("{pid} {started}\n"))?;
    fs::rename(new, run_dir.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_init() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path(), 7), None);
        let since = Kept::Since("2026-11-24T10:11:12.123456789Z".into());
        for kept in [Kept::Waiting, since] {
            write(dir.path(), 7, &kept).unwrap();
            assert_eq!(read(dir.path(), 7), Some(kept));
            assert_eq!(read(dir.path(), 8), None);
        }
    }
}
