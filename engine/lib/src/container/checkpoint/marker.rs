//! `<dir>/checkpoint.json`: that a container has ended with a checkpoint, and `<dir>/restored`: that it was made from one.
//!
//! The first is written when CRIU's images are complete, while the processes still stand: a command that is killed after
//! that leaves either a container that runs, whose mark means nothing, or one that can be restored.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ketch_monitor::clock;
use serde::{Deserialize, Serialize};

const FILE: &str = "checkpoint.json";
const RESTORED: &str = "restored";

/// The directory of the images, as podman names it.
pub fn images(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpointed {
    /// RFC 3339, UTC.
    pub at: String,
}

/// Whether there is a complete checkpoint, of a container that has gone on as well: CRIU writes this image last.
pub fn has_images(dir: &Path) -> bool {
    images(dir).join("inventory.img").is_file()
}

/// The mark; None: there is none, or it cannot be read.
pub fn read(dir: &Path) -> Option<Checkpointed> {
    serde_json::from_slice(&fs::read(dir.join(FILE)).ok()?).ok()
}

/// Sets it durably.
pub(super) fn set(dir: &Path) -> io::Result<()> {
    let mark = Checkpointed { at: clock::rfc3339(SystemTime::now()) };
    let new = dir.join("checkpoint.json.new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(&mark)?)?;
    file.sync_all()?;
    fs::rename(&new, dir.join(FILE))
}

/// Takes both away, before a container starts anew.
pub(crate) fn clear(dir: &Path) -> io::Result<()> {
    clear_checkpoint(dir)?;
    remove(&dir.join(RESTORED))
}

pub(super) fn clear_checkpoint(dir: &Path) -> io::Result<()> {
    remove(&dir.join(FILE))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// When the container was restored, if what runs was made so.
pub fn restored(dir: &Path) -> Option<String> {
    fs::read_to_string(dir.join(RESTORED)).ok()
}

pub(crate) fn set_restored(dir: &Path) -> io::Result<()> {
    clear(dir)?;
    fs::write(dir.join(RESTORED), clock::rfc3339(SystemTime::now()))
}
