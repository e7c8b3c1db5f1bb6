//! A tree is copied: a new volume gets what the image has in its place, and `cp` what it is asked for.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use ketch_runtime::plan::ids::Maps;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, fstatat, futimens, mkdirat, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, symlinkat, unlinkat};

use super::{DEEPEST, Mounts, TreeError, entries, is_mount, remove_in, subdirectory};
use crate::userns::namespace::{inside, outside};

/// Copies all that is in `from` into the empty directory `to`, which gets `from`'s own owner, mode and times as well.
///
/// Devices are left out: an image must not bring any.
pub(crate) fn copy(from: OwnedFd, to: BorrowedFd<'_>) -> Result<(), TreeError> {
    Copy::default().tree(from, to)
}

/// How something is copied into a place that may have something already.
///
/// Directories are merged, and what is no directory takes the place of what is none. Devices and sockets are left out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Copy<'a> {
    /// Owner and group of all that is made; None: those of the original. Setuid and setgid bits belong to an owner, and
    /// are lost with him.
    pub(crate) owner: Option<(u32, u32)>,
    /// The ids of the container that the original is in, and of the one that the copy is in, where they are not those out
    /// here. The caller acts as the latter's root.
    pub(crate) from: Option<&'a Maps>,
    pub(crate) to: Option<&'a Maps>,
    /// Of the original; the copy's are crossed as if they were not there.
    pub(crate) mounts: Mounts,
    /// A directory may take the place of what is none, and the other way round.
    pub(crate) overwrite: bool,
}

impl Copy<'_> {
    /// Copies all that is in `from` into the directory `to`, which becomes like `from` itself.
    pub(crate) fn tree(&self, from: OwnedFd, to: BorrowedFd<'_>) -> Result<(), TreeError> {
        let stat = fstat(&from).map_err(TreeError::at("look at", &c".".to_owned()))?;
        self.directory(from, to, 0)?;
        // Last: the entries have changed its times.
        self.inherit(to, &stat).map_err(TreeError::at("set owner and mode of", &c".".to_owned()))
    }

    /// Copies all that is in `from` into the directory `to`, which stays what it is.
    pub(crate) fn contents(&self, from: OwnedFd, to: BorrowedFd<'_>) -> Result<(), TreeError> {
        self.directory(from, to, 0)
    }

    /// Copies what `from` is open on (`O_PATH` will do) as `name` in `to`.
    pub(crate) fn node(&self, from: &OwnedFd, to: BorrowedFd<'_>, name: &CString) -> Result<(), TreeError> {
        let failed = |errno| TreeError::at("copy", name)(errno);
        let stat = fstat(from).map_err(failed)?;
        match kind(&stat) {
            SFlag::S_IFDIR => {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                let from = openat(from, c".", flags, Mode::empty()).map_err(failed)?;
                self.subdirectory(from, to, name, 0).map_err(|error| error.within(name))
            }
            SFlag::S_IFREG => {
                // An open file has no other name that is sure to be its own.
                let path = format!("/proc/self/fd/{}", from.as_raw_fd());
                let from =
                    open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?;
                self.file(from, &stat, to, name).map_err(failed)
            }
            SFlag::S_IFIFO => self
                .make(to, name, || mknodat(to, name.as_c_str(), SFlag::S_IFIFO, mode(&stat), 0))
                .and_then(|()| self.inherit_by_name(to, name, &stat))
                .map_err(failed),
            _ => Err(failed(Errno::EOPNOTSUPP)),
        }
    }

    fn directory(&self, from: OwnedFd, to: BorrowedFd<'_>, depth: usize) -> Result<(), TreeError> {
        let (from, entries) = entries(from).map_err(TreeError::at("list", &c".".to_owned()))?;
        let from = from.as_fd();
        for entry in entries {
            let name = &entry.name;
            if entry.directory {
                if depth >= DEEPEST {
                    return Err(TreeError::at("copy", name)(Errno::ELOOP));
                }
                let sub = match self.mounts.subdirectory(from, name) {
                    // Removed meanwhile: a container that runs goes on.
                    Err(Errno::ENOENT) => continue,
                    sub => sub.map_err(TreeError::at("open", name))?,
                };
                self.subdirectory(sub, to, name, depth + 1).map_err(|error| error.within(name))?;
            } else {
                self.other(from, to, name).map_err(TreeError::at("copy", name))?;
            }
        }
        Ok(())
    }

    fn subdirectory(
        &self,
        from: OwnedFd,
        to: BorrowedFd<'_>,
        name: &CString,
        depth: usize,
    ) -> Result<(), TreeError> {
        let here = c".".to_owned();
        let stat = fstat(&from).map_err(TreeError::at("look at", &here))?;
        match mkdirat(to, name.as_c_str(), Mode::S_IRWXU) {
            Err(Errno::EEXIST) => self.clear_for_directory(to, name)?,
            made => made.map_err(TreeError::at("make", &here))?,
        }
        let copy = subdirectory_of_copy(to, name).map_err(TreeError::at("open", &here))?;
        if !self.mounts.leaves_out(&from).map_err(TreeError::at("look at", &here))? {
            self.directory(from, copy.as_fd(), depth)?;
        }
        self.inherit(copy.as_fd(), &stat).map_err(TreeError::at("set owner and mode of", &here))
    }

    /// Something has the name of a directory that is to be.
    fn clear_for_directory(&self, to: BorrowedFd<'_>, name: &CString) -> Result<(), TreeError> {
        let here = c".".to_owned();
        let there = fstatat(to, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        if kind(&there.map_err(TreeError::at("look at", &here))?) == SFlag::S_IFDIR {
            return Ok(());
        }
        if !self.overwrite {
            return Err(TreeError::at("overwrite a non-directory with the directory", &here)(Errno::EEXIST));
        }
        if is_mount(to, name).map_err(TreeError::at("look at", &here))? {
            return Err(TreeError::at("replace", &here)(Errno::EBUSY));
        }
        unlinkat(to, name.as_c_str(), UnlinkatFlags::NoRemoveDir)
            .and_then(|()| mkdirat(to, name.as_c_str(), Mode::S_IRWXU))
            .map_err(TreeError::at("replace", &here))
    }

    fn other(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CString) -> nix::Result<()> {
        let stat = match fstatat(from, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(()),
            stat => stat?,
        };
        match kind(&stat) {
            SFlag::S_IFREG => {
                // Whatever has the place of the file by now, the open does not wait for it.
                let source = match self.mounts.open(from, name, OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
                    Err(Errno::ENOENT) => return Ok(()),
                    source => source?,
                };
                let stat = fstat(&source)?;
                return if kind(&stat) == SFlag::S_IFREG {
                    self.file(source, &stat, to, name)
                } else {
                    Ok(())
                };
            }
            SFlag::S_IFLNK => {
                let target = readlinkat(from, name.as_c_str())?;
                self.make(to, name, || symlinkat(target.as_os_str(), to, name.as_c_str()))?;
            }
            SFlag::S_IFIFO => {
                self.make(to, name, || mknodat(to, name.as_c_str(), SFlag::S_IFIFO, mode(&stat), 0))?;
            }
            _ => return Ok(()),
        }
        self.inherit_by_name(to, name, &stat)
    }

    fn file(&self, source: OwnedFd, stat: &FileStat, to: BorrowedFd<'_>, name: &CString) -> nix::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let new = || openat(to, name.as_c_str(), flags | OFlag::O_CREAT | OFlag::O_EXCL, Mode::S_IRUSR);
        let copy = match self.make(to, name, new) {
            // A file that is mounted here (`-v FILE:FILE`) cannot be replaced, only written to: it stays its owner's.
            Err(Errno::EBUSY) => {
                let there = fstatat(to, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
                if kind(&there) != SFlag::S_IFREG {
                    return Err(Errno::EBUSY);
                }
                let flags = flags | OFlag::O_TRUNC | OFlag::O_NONBLOCK;
                let there = openat(to, name.as_c_str(), flags, Mode::empty())?;
                return contents(source, there).map(drop);
            }
            made => made?,
        };
        let copy = contents(source, copy)?;
        self.inherit(copy.as_fd(), stat)
    }

    /// Makes `name` with `make`, in the place of what has the name.
    fn make<T>(
        &self,
        to: BorrowedFd<'_>,
        name: &CString,
        make: impl Fn() -> nix::Result<T>,
    ) -> nix::Result<T> {
        match make() {
            Err(Errno::EEXIST) => {}
            made => return made,
        }
        if is_mount(to, name)? {
            return Err(Errno::EBUSY);
        }
        match unlinkat(to, name.as_c_str(), UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) if self.overwrite => remove_in(to, name)?,
            removed => removed?,
        }
        make()
    }

    /// The owner first: changing it clears setuid bits.
    fn inherit(&self, to: BorrowedFd<'_>, stat: &FileStat) -> nix::Result<()> {
        let (owner, group) = self.owner_of(stat);
        fchown(to, Some(owner), Some(group))?;
        fchmod(to, self.mode_of(stat))?;
        let (accessed, modified) = times(stat);
        futimens(to, &accessed, &modified)
    }

    /// To what cannot be opened without effect.
    fn inherit_by_name(&self, to: BorrowedFd<'_>, name: &CStr, stat: &FileStat) -> nix::Result<()> {
        let (owner, group) = self.owner_of(stat);
        fchownat(to, name, Some(owner), Some(group), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let (accessed, modified) = times(stat);
        utimensat(to, name, &accessed, &modified, UtimensatFlags::NoFollowSymlink)
    }

    fn owner_of(&self, stat: &FileStat) -> (Uid, Gid) {
        let own = (stat.st_uid, stat.st_gid);
        let (uid, gid) = self.owner.unwrap_or_else(|| {
            let inside = self.from.map_or(own, |ids| inside(ids, own));
            self.to.map_or(inside, |ids| outside(ids, inside))
        });
        (Uid::from_raw(uid), Gid::from_raw(gid))
    }

    fn mode_of(&self, stat: &FileStat) -> Mode {
        let is_other = kind(stat) == SFlag::S_IFREG
            && self.owner.is_some_and(|owner| owner != (stat.st_uid, stat.st_gid));
        let of_an_owner = Mode::S_ISUID | Mode::S_ISGID;
        if is_other { mode(stat).difference(of_an_owner) } else { mode(stat) }
    }
}

/// A mount there is what it is.
fn subdirectory_of_copy(to: BorrowedFd<'_>, name: &CString) -> nix::Result<OwnedFd> {
    match subdirectory(to, name) {
        Err(Errno::EXDEV) => Mounts::Cross.subdirectory(to, name),
        opened => opened,
    }
}

/// In the kernel where it can be (copy_file_range(2), or a reflink).
fn contents(source: OwnedFd, copy: OwnedFd) -> nix::Result<File> {
    let (mut source, mut copy) = (File::from(source), File::from(copy));
    std::io::copy(&mut source, &mut copy)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    Ok(copy)
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn mode(stat: &FileStat) -> Mode {
    Mode::from_bits_truncate(stat.st_mode)
}

fn times(stat: &FileStat) -> (TimeSpec, TimeSpec) {
    (TimeSpec::new(stat.st_atime, stat.st_atime_nsec), TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn everything_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("sub/file"), "text").unwrap();
        std::os::unix::fs::chown(from.join("sub/file"), Some(33), Some(44)).unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4755)).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        nix::unistd::mkfifo(&from.join("fifo"), Mode::S_IRWXU).unwrap();

        copy(File::open(&from).unwrap().into(), File::open(&to).unwrap().as_fd()).unwrap();
        let file = fs::metadata(to.join("sub/file")).unwrap();
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (33, 44, 0o4755));
        assert_eq!(file.mtime_nsec(), fs::metadata(from.join("sub/file")).unwrap().mtime_nsec());
        assert_eq!(fs::read(to.join("sub/file")).unwrap(), b"text");
        assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("/etc/passwd"));
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o7777, 0o1777);
        assert!(fs::symlink_metadata(to.join("fifo")).is_ok());
    }

    /// `cp` into what is there already.
    #[test]
    fn merges() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        for path in ["from/sub", "from/dir", "to/sub", "to/file"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        fs::write(from.join("sub/new"), "new").unwrap();
        fs::write(to.join("sub/old"), "old").unwrap();
        fs::write(to.join("dir"), "in the way").unwrap();
        fs::write(to.join("target"), "kept").unwrap();
        symlink("target", to.join("link")).unwrap();
        fs::write(from.join("link"), "a file").unwrap();
        fs::set_permissions(from.join("link"), fs::Permissions::from_mode(0o4755)).unwrap();
        let contents =
            |how: Copy<'_>| how.contents(File::open(&from).unwrap().into(), File::open(&to).unwrap().as_fd());
        let refused = contents(Copy::default()).unwrap_err().to_string();
        assert!(refused.contains("non-directory") && refused.contains("dir"), "{refused}");
        contents(Copy { owner: Some((5, 6)), overwrite: true, ..Copy::default() }).unwrap();
        assert!(to.join("sub/old").exists() && to.join("dir").is_dir());
        assert_eq!(fs::read(to.join("sub/new")).unwrap(), b"new");
        // Not through the link.
        assert_eq!(fs::read(to.join("target")).unwrap(), b"kept");
        let link = fs::symlink_metadata(to.join("link")).unwrap();
        assert_eq!((link.uid(), link.gid(), link.mode() & 0o7777), (5, 6, 0o755));

        fs::write(from.join("file"), "file").unwrap();
        let refused = contents(Copy::default()).unwrap_err().to_string();
        assert!(refused.contains("file"), "{refused}");
        contents(Copy { overwrite: true, ..Copy::default() }).unwrap();
        assert_eq!(fs::read(to.join("file")).unwrap(), b"file");
    }
}
