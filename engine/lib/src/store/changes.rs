//! What one tree has changed, added or deleted against another.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, SFlag, fstatat};

use super::pack::is_opaque;
use crate::tree::{DEEPEST, Entry, Mounts, TreeError, entries};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Changed,
    Added,
    Deleted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub kind: Kind,
    /// From the root.
    pub path: PathBuf,
}

/// What `upper`, a layer or the upper directory of an overlay, changes of what is `below` it, by path. None: of nothing.
pub(crate) fn of_layer(upper: OwnedFd, below: Option<OwnedFd>) -> Result<Vec<Change>, TreeError> {
    let mut walk = Walk { changes: Vec::new() };
    walk.layer(upper, below, Path::new("/"), 0)?;
    Ok(walk.sorted())
}

/// What makes the tree `to` another one than `from`, by path.
pub(crate) fn between(from: OwnedFd, to: OwnedFd) -> Result<Vec<Change>, TreeError> {
    let mut walk = Walk { changes: Vec::new() };
    walk.trees(from, to, Path::new("/"), 0)?;
    Ok(walk.sorted())
}

struct Walk {
    changes: Vec<Change>,
}

impl Walk {
    fn sorted(mut self) -> Vec<Change> {
        self.changes.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        self.changes
    }

    fn note(&mut self, kind: Kind, path: PathBuf) {
        self.changes.push(Change { kind, path });
    }

    fn layer(
        &mut self,
        upper: OwnedFd,
        below: Option<OwnedFd>,
        path: &Path,
        depth: usize,
    ) -> Result<(), TreeError> {
        let opaque = is_opaque(upper.as_fd()).map_err(failed("look at", path))?;
        let (upper, mut list) = list(upper, path, depth)?;
        list.retain(|entry| !is_own_mark(entry));
        for entry in &list {
            let at = path.join(OsStr::from_bytes(entry.name.to_bytes()));
            let was = below.as_ref().map(|below| stat(below.as_fd(), &entry.name)).transpose();
            let was = was.map_err(failed("look at", &at))?.flatten();
            if !entry.directory {
                let Some(is) = stat(upper.as_fd(), &entry.name).map_err(failed("look at", &at))? else {
                    continue;
                };
                match (kind(&is) == SFlag::S_IFCHR && is.st_rdev == 0, was) {
                    (true, None) => {}
                    (true, Some(_)) => self.note(Kind::Deleted, at),
                    (false, None) => self.note(Kind::Added, at),
                    (false, Some(_)) => self.note(Kind::Changed, at),
                }
                continue;
            }
            self.note(if was.is_some() { Kind::Changed } else { Kind::Added }, at.clone());
            let sub = match Mounts::Refuse.subdirectory(upper.as_fd(), &entry.name) {
                // Removed meanwhile: a container that runs goes on.
                Err(Errno::ENOENT) => continue,
                sub => sub.map_err(failed("open", &at))?,
            };
            let was_directory = was.is_some_and(|was| kind(&was) == SFlag::S_IFDIR);
            let below = below.as_ref().filter(|_| was_directory);
            let below = below.map(|below| Mounts::Refuse.subdirectory(below, &entry.name)).transpose();
            let below = match below {
                // Not even the container's root could look into it.
                Err(Errno::EACCES) => None,
                below => below.map_err(failed("open", &at))?,
            };
            self.layer(sub, below, &at, depth + 1)?;
        }
        // All that is below an opaque directory is hidden, without a mark for each.
        if let Some(below) = below.filter(|_| opaque) {
            for hidden in self::list(below, path, depth)?.1 {
                if !list.iter().any(|entry| entry.name == hidden.name) {
                    self.note(Kind::Deleted, path.join(OsStr::from_bytes(hidden.name.to_bytes())));
                }
            }
        }
        Ok(())
    }

    fn trees(&mut self, from: OwnedFd, to: OwnedFd, path: &Path, depth: usize) -> Result<(), TreeError> {
        let ((from, old), (to, new)) = (list(from, path, depth)?, list(to, path, depth)?);
        let old: BTreeMap<CString, bool> =
            old.into_iter().map(|entry| (entry.name, entry.directory)).collect();
        for name in old.keys().filter(|name| !new.iter().any(|entry| entry.name == **name)) {
            self.note(Kind::Deleted, path.join(OsStr::from_bytes(name.to_bytes())));
        }
        for Entry { name, directory } in new {
            let at = path.join(OsStr::from_bytes(name.to_bytes()));
            let Some(is) = stat(to.as_fd(), &name).map_err(failed("look at", &at))? else { continue };
            let was = stat(from.as_fd(), &name).map_err(failed("look at", &at))?;
            let is_other = was.as_ref().is_none_or(|was| !is_same(was, &is));
            if is_other {
                self.note(if was.is_some() { Kind::Changed } else { Kind::Added }, at.clone());
            }
            if !directory {
                continue;
            }
            let before = self.changes.len();
            let sub = Mounts::Refuse.subdirectory(to.as_fd(), &name).map_err(failed("open", &at))?;
            match old.get(&name) {
                Some(true) => {
                    let was =
                        Mounts::Refuse.subdirectory(from.as_fd(), &name).map_err(failed("open", &at))?;
                    self.trees(was, sub, &at, depth + 1)?;
                }
                _ => self.layer(sub, None, &at, depth + 1)?,
            }
            // A directory is what is in it.
            if !is_other && self.changes.len() > before {
                self.note(Kind::Changed, at);
            }
        }
        Ok(())
    }
}

fn list(dir: OwnedFd, path: &Path, depth: usize) -> Result<(Dir, Vec<Entry>), TreeError> {
    if depth >= DEEPEST {
        return Err(failed("go into", path)(Errno::ELOOP));
    }
    entries(dir).map_err(failed("list", path))
}

/// What a tar of a layer can tell of two files.
fn is_same(was: &FileStat, is: &FileStat) -> bool {
    let of = |stat: &FileStat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let content = |stat: &FileStat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    of(was) == of(is) && (kind(is) == SFlag::S_IFDIR || content(was) == content(is))
}

fn is_own_mark(entry: &Entry) -> bool {
    entry.name.to_bytes().starts_with(b".wh..wh.")
}

/// None when nothing has that name.
fn stat(dir: BorrowedFd<'_>, name: &CString) -> Result<Option<FileStat>, Errno> {
    match fstatat(dir, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(None),
        stat => stat.map(Some),
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn failed<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(Errno) -> TreeError + use<'a> {
    move |errno| TreeError::new(step, &path.to_string_lossy(), errno)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use ketch_sys::xattr;
    use nix::sys::stat::{Mode, mknod};

    use super::*;

    fn text(changes: &[Change]) -> String {
        let line = |change: &Change| {
            let letter = match change.kind {
                Kind::Changed => 'C',
                Kind::Added => 'A',
                Kind::Deleted => 'D',
            };
            format!("{letter} {}", change.path.display())
        };
        changes.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn of_a_layer_and_between_trees() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let open = |name: &str| OwnedFd::from(File::open(path(name)).unwrap());
        for name in ["low/etc/old", "low/gone", "low/hidden/deep", "up/etc", "up/new/sub", "up/hidden"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        fs::write(path("low/etc/file"), "1").unwrap();
        fs::write(path("up/etc/file"), "22").unwrap();
        fs::write(path("up/hidden/own"), "").unwrap();
        mknod(&path("up/gone"), SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
        mknod(&path("up/never"), SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
        xattr::fset(open("up/hidden").as_fd(), b"trusted.overlay.opaque", b"y").unwrap();

        let changes = of_layer(open("up"), Some(open("low"))).unwrap();
        let expected =
            "C /etc, C /etc/file, D /gone, C /hidden, D /hidden/deep, A /hidden/own, A /new, A /new/sub";
        assert_eq!(text(&changes), expected);
        let all = text(&of_layer(open("low"), None).unwrap());
        assert_eq!(all, "A /etc, A /etc/file, A /etc/old, A /gone, A /hidden, A /hidden/deep");

        fs::remove_file(path("up/gone")).unwrap();
        fs::remove_file(path("up/never")).unwrap();
        let changes = text(&between(open("low"), open("up")).unwrap());
        assert_eq!(
            changes,
            "C /etc, C /etc/file, D /etc/old, D /gone, C /hidden, D /hidden/deep, A /hidden/own, A /new, A /new/sub"
        );
        assert_eq!(between(open("low"), open("low")).unwrap(), []);
    }
}
