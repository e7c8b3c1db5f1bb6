//! A tree is copied: an anonymous volume gets what the image has in its place.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ketch_sys::openat2;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, fstatat, futimens, mkdirat, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};

use super::{DEEPEST, TreeError, entries, subdirectory};

/// Copies all that is in `from` into the empty directory `to`, which gets `from`'s own owner, mode and times as well.
///
/// Devices are left out: an image must not bring any.
pub(crate) fn copy(from: OwnedFd, to: BorrowedFd<'_>) -> Result<(), TreeError> {
    directory(from, to, 0)
}

fn directory(from: OwnedFd, to: BorrowedFd<'_>, depth: usize) -> Result<(), TreeError> {
    let here = c".".to_owned();
    let (from, entries) = entries(from).map_err(TreeError::at("list", &here))?;
    let from = from.as_fd();
    for entry in entries {
        let name = &entry.name;
        if entry.directory {
            if depth >= DEEPEST {
                return Err(TreeError::at("copy", name)(Errno::ELOOP));
            }
            let sub = subdirectory(from, name).map_err(TreeError::at("open", name))?;
            mkdirat(to, name.as_c_str(), Mode::S_IRWXU).map_err(TreeError::at("make", name))?;
            let copy = subdirectory(to, name).map_err(TreeError::at("open", name))?;
            directory(sub, copy.as_fd(), depth + 1).map_err(|error| error.within(name))?;
        } else {
            other(from, to, name).map_err(TreeError::at("copy", name))?;
        }
    }
    // Last: the entries above have changed its times.
    let stat = fstat(from).map_err(TreeError::at("look at", &here))?;
    inherit(to, &stat).map_err(TreeError::at("set owner and mode of", &here))
}

fn other(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CString) -> nix::Result<()> {
    let name: &CStr = name;
    let stat = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let (owner, group) = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFREG {
        let source = openat2::open_beneath(from, name, OFlag::O_RDONLY | OFlag::O_NOFOLLOW)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let copy = openat(to, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let copy = contents(source, copy)?;
        return inherit(copy.as_fd(), &stat);
    }
    if kind == SFlag::S_IFLNK {
        symlinkat(readlinkat(from, name)?.as_os_str(), to, name)?;
    } else if kind == SFlag::S_IFIFO {
        mknodat(to, name, kind, mode(&stat), 0)?;
    } else {
        return Ok(());
    }
    fchownat(to, name, owner, group, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let (accessed, modified) = times(&stat);
    utimensat(to, name, &accessed, &modified, UtimensatFlags::NoFollowSymlink)
}

/// In the kernel where it can be (copy_file_range(2), or a reflink).
fn contents(source: OwnedFd, copy: OwnedFd) -> nix::Result<File> {
    let (mut source, mut copy) = (File::from(source), File::from(copy));
    std::io::copy(&mut source, &mut copy)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    Ok(copy)
}

/// The owner first: changing it clears setuid bits.
fn inherit(to: BorrowedFd<'_>, stat: &FileStat) -> nix::Result<()> {
    fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(to, mode(stat))?;
    let (accessed, modified) = times(stat);
    futimens(to, &accessed, &modified)
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
}
