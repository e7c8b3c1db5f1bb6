//! The exit record: `<dir>/exit.json`, synced and renamed into place by the monitor.

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
pub fn load(_dir: &Path) -> std::io::Result<Option<Exit>> {
    todo!()
}

/// Writes the record durably: temporary file, fsync, rename.
pub fn save(_dir: &Path, _exit: &Exit) -> std::io::Result<()> {
    todo!()
}

/// Removes the record of the last run, before a new one.
pub fn clear(_dir: &Path) -> std::io::Result<()> {
    todo!()
}
