//! The layer's directory: parents by descriptor, resolved below its root and nowhere else.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ketch_sys::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::ExtractError;
use super::name::Name;

/// How many parents are kept open; a tar goes through a tree depth first, so the last few are what is needed next.
const OPEN_PARENTS: usize = 32;

pub(super) struct Tree {
    root: OwnedFd,
    /// Each an ancestor of the next.
    open: Vec<(Vec<u8>, OwnedFd)>,
    replaced: bool,
}

impl Tree {
    pub(super) fn new(root: OwnedFd) -> Tree {
        Tree { root, open: Vec::new(), replaced: false }
    }

    /// Whether something has taken the place of another thing.
    pub(super) fn has_replaced(&self) -> bool {
        self.replaced
    }

    /// The directory that `name` is in; made, for root and with 0755, where the archive has left it out.
    pub(super) fn parent(&mut self, name: &Name) -> Result<BorrowedFd<'_>, ExtractError> {
        self.open(name.parent())
    }

    /// The directory `name` itself.
    pub(super) fn directory(&mut self, name: &Name) -> Result<BorrowedFd<'_>, ExtractError> {
        self.open(name.as_bytes())
    }

    /// The directory that `name` is in, which has to be there.
    pub(super) fn existing_parent(&self, name: &Name) -> Result<OwnedFd, Errno> {
        self.resolve(or_dot(name.parent()))
    }

    /// The directory `name`; None when a later entry has put something else in its place.
    pub(super) fn existing(&self, name: &Name) -> Result<Option<OwnedFd>, ExtractError> {
        match self.resolve_with(or_dot(name.as_bytes()), OFlag::O_NOFOLLOW) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
            result => result.map(Some).map_err(|errno| name.error("open", errno)),
        }
    }

    /// Makes `name` with `make`, in the place of whatever has the name.
    pub(super) fn create<T>(
        &mut self,
        name: &Name,
        make: impl Fn(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, ExtractError> {
        match make(self.parent(name)?) {
            Err(Errno::EEXIST) => {
                self.remove(name)?;
                make(self.parent(name)?)
            }
            result => result,
        }
        .map_err(|errno| name.error("create", errno))
    }

    pub(super) fn stat(&mut self, name: &Name) -> Result<Stat, ExtractError> {
        fstatat(self.parent(name)?, name.base(), AtFlags::AT_SYMLINK_NOFOLLOW)
            .map(Stat)
            .map_err(|errno| name.error("stat", errno))
    }

    pub(super) fn remove(&mut self, name: &Name) -> Result<(), ExtractError> {
        self.replaced = true;
        if self.stat(name)?.is_directory() {
            return self.remove_directory(name);
        }
        unlinkat(self.parent(name)?, name.base(), UnlinkatFlags::NoRemoveDir)
            .map_err(|errno| name.error("replace", errno))
    }

    fn remove_directory(&mut self, name: &Name) -> Result<(), ExtractError> {
        let parent = self.parent(name)?;
        // Resolved already and by descriptor; the last component is not followed.
        let path = Path::new("/proc/self/fd").join(parent.as_raw_fd().to_string());
        let result = fs::remove_dir_all(path.join(std::ffi::OsStr::from_bytes(name.base())));
        self.open.clear();
        result
            .map_err(|error| name.error("replace", error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)))
    }

    fn open(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, ExtractError> {
        if path.is_empty() {
            return Ok(self.root.as_fd());
        }
        while self.open.last().is_some_and(|(open, _)| !is_at_or_above(open, path)) {
            self.open.pop();
        }
        if self.open.last().is_none_or(|(open, _)| open != path) {
            let dir = self.resolve_or_make(path)?;
            if self.open.len() == OPEN_PARENTS {
                self.open.clear();
            }
            self.open.push((path.to_vec(), dir));
        }
        Ok(self.open.last().map_or(self.root.as_fd(), |(_, dir)| dir.as_fd()))
    }

    fn resolve_or_make(&self, path: &[u8]) -> Result<OwnedFd, ExtractError> {
        match self.resolve(path) {
            Err(Errno::ENOENT) => {}
            result => return result.map_err(|errno| fail("open", path, errno)),
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut parent = None;
        let mut start = 0;
        for end in ends.chain([path.len()]) {
            let dir = match self.resolve(&path[..end]) {
                Err(Errno::ENOENT) => {
                    let above = parent.as_ref().unwrap_or(&self.root);
                    match mkdirat(above, &path[start..end], Mode::from_bits_truncate(0o755)) {
                        // It is there and leads nowhere: a symbolic link.
                        Err(Errno::EEXIST) => return Err(fail("follow", &path[..end], Errno::ENOENT)),
                        made => made.and_then(|()| self.resolve(&path[..end])),
                    }
                }
                result => result,
            };
            parent = Some(dir.map_err(|errno| fail("create", &path[..end], errno))?);
            start = end + 1;
        }
        parent.ok_or_else(|| fail("open", path, Errno::ENOENT))
    }

    fn resolve(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.resolve_with(path, OFlag::empty())
    }

    fn resolve_with(&self, path: &[u8], flags: OFlag) -> Result<OwnedFd, Errno> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(&self.root, path, how)
    }
}

/// What a name stands for.
pub(super) struct Stat(FileStat);

impl Stat {
    pub(super) fn is_directory(&self) -> bool {
        self.0.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits()
    }

    pub(super) fn is_whiteout(&self) -> bool {
        self.0.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFCHR.bits() && self.0.st_rdev == 0
    }
}

/// openat2 takes no empty path.
fn or_dot(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"." } else { path }
}

fn is_at_or_above(dir: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn fail(action: &'static str, path: &[u8], errno: Errno) -> ExtractError {
    match Name::clean(path) {
        Ok(name) => name.error(action, errno),
        Err(outside) => outside,
    }
}
