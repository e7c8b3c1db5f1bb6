//! Where things are mounted: paths below the container's root, which an image can fill with symlinks.
//!
//! A path is resolved once, below the root's descriptor, and what it led to is held open from then on; no rename can swap
//! it for something else afterwards (CVE-2021-30465).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use ketch_sys::{Errno, openat2};
use nix::fcntl::{OFlag, ResolveFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use crate::step::{At, StepError};

const MAKE: &str = "make in the container's root";

/// What is made where nothing is yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
}

/// The directory `path` below `root`, made with those above it if it is missing.
pub(crate) fn directory(root: impl AsFd, path: &Path) -> Result<OwnedFd, StepError> {
    open_or_make(root, path, Kind::Directory)
}

/// What is at `path` below `root`, an empty file if that is nothing.
pub(crate) fn file(root: impl AsFd, path: &Path) -> Result<OwnedFd, StepError> {
    open_or_make(root, path, Kind::File)
}

/// What is at `path` below `root`; `None` if nothing is.
pub(crate) fn existing(root: impl AsFd, path: &Path) -> Result<Option<OwnedFd>, StepError> {
    match openat2::open_in_root(root, path, OFlag::O_PATH) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno).at("open in the container's root", path),
    }
}

/// What is at `path` below `root`, itself where it is a symlink; `None` if nothing is. The directories above it are made.
pub(crate) fn unfollowed(root: impl AsFd, path: &Path) -> Result<Option<OwnedFd>, StepError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::EINVAL).at("open in the container's root", path);
    };
    let parent = directory(root, parent)?;
    match openat(&parent, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(target) => refuse_procfs(target, path).map(Some),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno).at("open in the container's root", path),
    }
}

/// The directory `path` below `root`, for a file system of this kind, whose place nothing may redirect: no symlink leads to it.
pub(crate) fn plain_directory(root: impl AsFd, path: &Path, kind: &str) -> Result<OwnedFd, StepError> {
    let open = || match open_plain(&root, path, OFlag::O_DIRECTORY) {
        Err(Errno::ELOOP) => {
            let step =
                format!("mount {kind}, which must be mounted on ordinary directory, by way of a symlink on");
            Err(Errno::ELOOP).at(&step, path)
        }
        result => result.at("open in the container's root", path),
    };
    match open() {
        Err(StepError { errno: Errno::ENOENT, .. }) => {
            make(&root, path, Kind::Directory).at(MAKE, path)?;
            open()
        }
        result => result,
    }
}

fn open_plain(root: impl AsFd, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    openat2::open(
        root,
        path,
        OFlag::O_PATH | flags,
        ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS,
    )
}

fn open_or_make(root: impl AsFd, path: &Path, kind: Kind) -> Result<OwnedFd, StepError> {
    let flags = if kind == Kind::Directory { OFlag::O_DIRECTORY } else { OFlag::empty() };
    match open_plain(&root, path, flags) {
        Err(Errno::ENOENT) => {}
        // A symlink on the way: it may end anywhere below the root, but for procfs (see plan::mount).
        Err(Errno::ELOOP) => match openat2::open_in_root(&root, path, OFlag::O_PATH | flags) {
            Err(Errno::ENOENT) => {}
            result => return refuse_procfs(result.at("open in the container's root", path)?, path),
        },
        result => return result.at("open in the container's root", path),
    }
    if let Some(made) = make_in_parent(&root, path, kind).at(MAKE, path)? {
        return Ok(made);
    }
    refuse_procfs(make(root, path, kind).at(MAKE, path)?, path)
}

/// Makes `path` where only its last part is missing and no symlink leads to its parent; None: it is not so.
fn make_in_parent(root: impl AsFd, path: &Path, kind: Kind) -> Result<Option<OwnedFd>, Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let parent = match open_plain(root, parent, OFlag::O_DIRECTORY) {
        Err(Errno::ENOENT | Errno::ELOOP) => return Ok(None),
        parent => parent?,
    };
    let made = match kind {
        Kind::File => make_file(&parent, name),
        // Beside what was made there may be another by now, but it is no symlink that is taken for it.
        Kind::Directory => mkdirat(&parent, name, DIRECTORY_MODE)
            .and_then(|()| open_plain(&parent, Path::new(name), OFlag::O_DIRECTORY)),
    };
    match made {
        // A symlink that leads nowhere yet.
        Err(Errno::EEXIST) => Ok(None),
        made => made.map(Some),
    }
}

const DIRECTORY_MODE: Mode = Mode::from_bits_truncate(0o755);

/// An empty file, and nothing that was there before.
fn make_file(parent: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::from_bits_truncate(0o644))
}

fn refuse_procfs(target: OwnedFd, path: &Path) -> Result<OwnedFd, StepError> {
    if !path.starts_with("/proc")
        && fstatfs(&target).at("inspect", path)?.filesystem_type() == PROC_SUPER_MAGIC
    {
        return Err(Errno::EPERM).at("mount into procfs by way of a symlink at", path);
    }
    Ok(target)
}

/// Walks `path` below `root` as a process with that root would, making what is missing; a dangling symlink leads to
/// where its target will be. Every step is one name in one open directory, so no race leads outside.
fn make(root: impl AsFd, path: &Path, kind: Kind) -> Result<OwnedFd, Errno> {
    const MAX_SYMLINKS: u32 = 40;
    let open = |dir: &OwnedFd, name: &OsStr| {
        openat(dir, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
    };

    // The directories on the way, the root at the bottom: `..` is a step back on this stack, not in the file system.
    let mut way = vec![openat(root.as_fd(), c".", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?];
    let mut left: VecDeque<OsString> = names(path);
    let mut symlinks = 0;
    while let Some(name) = left.pop_front() {
        let here = way.last().expect("the root is never popped");
        if name == ".." {
            if way.len() > 1 {
                way.pop();
            }
            continue;
        }
        let next = match open(here, &name) {
            Err(Errno::ENOENT) => {
                let made = match kind {
                    Kind::File if left.is_empty() => make_file(here, &name).map(drop),
                    _ => mkdirat(here, name.as_os_str(), DIRECTORY_MODE),
                };
                match made {
                    Ok(()) | Err(Errno::EEXIST) => open(here, &name)?,
                    Err(errno) => return Err(errno),
                }
            }
            result => result?,
        };
        match SFlag::from_bits_truncate(fstat(&next)?.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFLNK => {
                symlinks += 1;
                if symlinks > MAX_SYMLINKS {
                    return Err(Errno::ELOOP);
                }
                let link = PathBuf::from(readlinkat(&next, c"")?);
                if link.is_absolute() {
                    way.truncate(1);
                }
                for name in names(&link).into_iter().rev() {
                    left.push_front(name);
                }
            }
            SFlag::S_IFDIR => way.push(next),
            _ if left.is_empty() && kind == Kind::File => return Ok(next),
            _ => return Err(Errno::ENOTDIR),
        }
    }
    Ok(way.pop().expect("the root is never popped"))
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// No path leads out of the root, whatever the symlinks in it say.
    #[test]
    fn makes_below_the_root() {
        for (links, path, made) in [
            (&[][..], "/a/b/c", "a/b/c"),
            (&[("run", "/var/run")], "/run/x", "var/run/x"),
            (&[("run", "../../../../outside")], "/run/x", "outside/x"),
            (&[("a", "b"), ("b", "c/../d")], "/a/x", "d/x"),
            (&[("etc", "/")], "/etc/../../y", "y"),
        ] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            for (name, target) in links {
                symlink(target, dir.path().join(name)).expect("symlink");
            }
            let root = std::fs::File::open(dir.path()).expect("open");
            directory(&root, Path::new(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert!(dir.path().join(made).is_dir(), "{path} → {made}");
        }
    }

    #[test]
    fn files_and_dead_ends() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = std::fs::File::open(dir.path()).expect("open");
        file(&root, Path::new("/etc/hosts")).expect("made");
        assert!(dir.path().join("etc/hosts").is_file());
        file(&root, Path::new("/etc/hosts")).expect("is there");

        symlink("loop", dir.path().join("loop")).expect("symlink");
        for (path, errno) in [("/loop/x", Errno::ELOOP), ("/etc/hosts/x", Errno::ENOTDIR)] {
            assert_eq!(directory(&root, Path::new(path)).expect_err(path).errno, errno, "{path}");
        }
        assert!(existing(&root, Path::new("/none/x")).expect("no error").is_none());
    }
}
