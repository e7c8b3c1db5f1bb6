//! The exit record: `<dir>/exit.json`, synced and renamed into place by the monitor.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// 0..255: the process's own, 128 + signal, or 126/127 when it could not be started.
    pub code: i32,
    pub oom_killed: bool,
    /// RFC 3339, UTC, nanoseconds.
    pub started: String,
    pub finished: String,
    /// init's pid while it ran.
    pub pid: i32,
    /// Why it could not be started; empty otherwise.
    #[serde(default)]
    pub error: String,
}

/// Reads the record; None when there is none.
pub fn load(dir: &Path) -> io::Result<Option<Exit>> {
    match fs::read(dir.join("exit.json")) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the record durably: temporary file, fsync, rename.
pub fn save(dir: &Path, exit: &Exit) -> io::Result<()> {
    replace(dir, exit, true)
}

/// Writes the record atomically, but leaves the disk its time: for a container that is removed right after.
pub(crate) fn save_unsynced(dir: &Path, exit: &Exit) -> io::Result<()> {
    replace(dir, exit, false)
}

/// Removes the record of the last run, before a new one.
pub fn clear(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join("exit.json")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn replace(dir: &Path, exit: &Exit, durably: bool) -> io::Result<()> {
    let temporary = dir.join("exit.json.new");
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(exit)?)?;
        if durably { file.sync_all() } else { Ok(()) }
    })();
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, dir.join("exit.json"))) {
        // What is half written is of no use; the error that matters is the first.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The name is on disk when its directory is.
    if durably { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saves_loads_and_clears() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
        let exit = Exit {
            code: 137,
            oom_killed: true,
            started: "2026-11-24T10:11:12.123456789Z".into(),
            finished: "2026-11-24T10:11:13.000000000Z".into(),
            pid: 42,
            error: String::new(),
        };
        save(dir.path(), &exit).unwrap();
        assert_eq!(load(dir.path()).unwrap().as_ref(), Some(&exit));
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["exit.json"]);
        clear(dir.path()).unwrap();
        clear(dir.path()).unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
    }
}
