//! `tmpcopyup`: a tmpfs that starts with what it hides.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use ketch_sys::Errno;
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::sendfile::sendfile;
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmod, fchmodat, fstat, fstatat, mkdirat, mknodat};
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};

const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Copies what is in the directory `from` into the directory `to`, and its owner: contents, owners and modes. The mode of
/// `to` itself stays. Hard links become files of their own.
pub(super) fn copy(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    let from = openat(from.as_fd(), c".", OFlag::O_RDONLY | DIRECTORY, Mode::empty())?;
    let to = openat(to.as_fd(), c".", OFlag::O_RDONLY | DIRECTORY, Mode::empty())?;
    let stat = fstat(&from)?;
    fchown(&to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    copy_entries(from, &to)
}

/// Gives the directory `to` the mode of `from`.
pub(super) fn take_mode(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    let mode = Mode::from_bits_truncate(fstat(from)?.st_mode);
    // A detached mount is open as with O_PATH.
    fchmod(openat(to.as_fd(), c".", OFlag::O_RDONLY | DIRECTORY, Mode::empty())?, mode)
}

fn copy_entries(from: OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    let source = from.try_clone().map_err(|_| Errno::EMFILE)?;
    for entry in Dir::from_fd(from)?.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        copy_entry(&source, to, name)?;
    }
    Ok(())
}

fn copy_entry(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let stat = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    match kind {
        SFlag::S_IFDIR => {
            mkdirat(to, name, Mode::S_IRWXU)?;
            let open = |dir: &OwnedFd| openat(dir, name, OFlag::O_RDONLY | DIRECTORY, Mode::empty());
            copy_entries(open(from)?, &open(to)?)?;
        }
        SFlag::S_IFREG => copy_file(from, to, name)?,
        SFlag::S_IFLNK => {
            let target = readlinkat(from, name)?;
            symlinkat(target.as_os_str(), to, name)?;
        }
        _ => mknodat(to, name, kind, Mode::S_IRUSR, stat.st_rdev)?,
    }
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    fchownat(to, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if kind == SFlag::S_IFLNK {
        return Ok(());
    }
    // After the owner: fchown takes set-user-ID away.
    fchmodat(to, name, Mode::from_bits_truncate(stat.st_mode), FchmodatFlags::FollowSymlink)
}

fn copy_file(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let source = openat(from, name, flags | OFlag::O_RDONLY, Mode::empty())?;
    let copy = openat(to, name, flags | OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, Mode::S_IRUSR)?;
    while sendfile(&copy, &source, None, 1 << 30)? > 0 {}
    Ok(())
}
