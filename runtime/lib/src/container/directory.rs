//! `<root>/<id>`: a container's directory, whose making is the check that the id is free.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::{Flock, FlockArg};

use super::create::CreateError;
use super::state::{FILE, State};
use crate::step::{At, StepError};

/// Symlinks to where the cgroup is below each hierarchy's root; the first before it is made, the second after.
pub(super) const CGROUP_PLANNED: &str = "cgroup.planned";
pub(super) const CGROUP_OWNED: &str = "cgroup";

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
        let lock = File::open(&path).at("open", &path)?;
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

    /// Notes that the cgroup is made: whatever is in it from now on is the container's.
    pub(super) fn own_cgroup(&self) -> Result<(), StepError> {
        let note = self.path.join(CGROUP_OWNED);
        std::fs::rename(self.path.join(CGROUP_PLANNED), &note).at("make", &note)
    }

    pub(super) fn write_state(&self, state: &State) -> Result<(), StepError> {
        let path = self.path.join(FILE);
        let text = serde_json::to_vec(state).map_err(std::io::Error::other).at("write", &path)?;
        write_atomically(&path, 0o600, &text)
    }
}

/// Puts a file in its place whole: no reader ever sees a part of it.
pub(super) fn write_atomically(path: &Path, mode: u32, text: &[u8]) -> Result<(), StepError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = File::options().write(true).create(true).truncate(true).mode(mode).open(&new)?;
        file.write_all(text)?;
        std::fs::rename(&new, path)
    };
    write().at("write", path).inspect_err(|_| drop(std::fs::remove_file(&new)))
}

/// Now, as RFC 3339 in UTC with nanoseconds.
pub(super) fn now() -> String {
    rfc3339(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn rfc3339(since_epoch: Duration) -> String {
    let (days, second) = (since_epoch.as_secs() / 86_400, since_epoch.as_secs() % 86_400);
    // Days to date by the 400-year cycle of the Gregorian calendar, with years that begin in March.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let nanos = since_epoch.subsec_nanos();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_399, 1, "2000-02-28T23:59:59.000000001Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000000000Z"),
            (1_735_689_599, 999_999_999, "2024-12-31T23:59:59.999999999Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(rfc3339(Duration::new(seconds, nanos)), text);
        }
    }

    #[test]
    fn an_id_is_taken_once() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let root = root.path().join("new/root");
        let _first = Directory::make(&root, "a").expect("free");
        assert!(matches!(Directory::make(&root, "a"), Err(CreateError::Exists(id)) if id == "a"));
    }
}
