//! Owner, mode, extended attributes and time of an entry, in the order in which they do not undo each other.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ketch_sys::{Errno, xattr};
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmod, fchmodat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};

use crate::store::entries::Entry;

pub(super) struct Attributes<'a> {
    owner: (Option<Uid>, Option<Gid>),
    mode: Mode,
    xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

type Failed = (&'static str, Errno);

impl Attributes<'_> {
    pub(super) fn of(entry: &Entry) -> Attributes<'_> {
        Attributes {
            owner: (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid))),
            mode: Mode::from_bits_truncate(entry.mode),
            xattrs: &entry.xattrs,
        }
    }

    /// To an open file or directory. The owner goes first: a change of it clears setuid bits and file capabilities.
    pub(super) fn apply(&self, fd: BorrowedFd<'_>) -> Result<(), Failed> {
        fchown(fd, self.owner.0, self.owner.1).map_err(not_given)?;
        fchmod(fd, self.mode).map_err(|errno| ("set the mode of", errno))?;
        self.set_xattrs(|name, value| xattr::fset(fd, name, value))
    }

    /// To what cannot be opened without effect: a symbolic link, a device, a FIFO. It has just been made in `dir`.
    pub(super) fn apply_by_name(
        &self,
        dir: BorrowedFd<'_>,
        base: &[u8],
        is_symlink: bool,
        mtime: (i64, u32),
    ) -> Result<(), Failed> {
        fchownat(dir, base, self.owner.0, self.owner.1, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(not_given)?;
        if !is_symlink {
            fchmodat(dir, base, self.mode, FchmodatFlags::FollowSymlink)
                .map_err(|errno| ("set the mode of", errno))?;
        }
        if !self.xattrs.is_empty() {
            let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string());
            let path = path.join(std::ffi::OsStr::from_bytes(base));
            self.set_xattrs(|name, value| xattr::lset(&path, name, value))?;
        }
        utimensat(dir, base, &UNCHANGED, &timespec(mtime), UtimensatFlags::NoFollowSymlink)
            .map_err(|errno| ("set the time of", errno))
    }

    fn set_xattrs(&self, set: impl Fn(&[u8], &[u8]) -> Result<(), Errno>) -> Result<(), Failed> {
        for (name, value) in self.xattrs.iter().filter(|(name, _)| is_the_images(name)) {
            match set(name, value) {
                // The file system keeps none of this kind. A program without its capabilities would be broken, so
                // that one is an error; the rest is left out, as other engines do.
                Err(Errno::EOPNOTSUPP) if name != b"security.capability" => {}
                result => result.map_err(|errno| ("set an extended attribute of", errno))?,
            }
        }
        Ok(())
    }
}

fn not_given(errno: Errno) -> Failed {
    match errno {
        // user_namespaces(7)
        Errno::EINVAL => {
            ("give to its owner, whose id is not mapped here (see /etc/subuid and /etc/subgid),", errno)
        }
        errno => ("set the owner of", errno),
    }
}

/// Whether an image may set it. `trusted.*` and `user.overlay.*` are overlayfs's own: with them a layer could redirect
/// lookups. `system.*` and the labels of the machine that built the image mean nothing here.
fn is_the_images(name: &[u8]) -> bool {
    name == b"security.capability" || name.starts_with(b"user.") && !name.starts_with(b"user.overlay.")
}

pub(super) fn set_time(fd: BorrowedFd<'_>, mtime: (i64, u32)) -> Result<(), Errno> {
    futimens(fd, &UNCHANGED, &timespec(mtime))
}

/// The access time is not the image's to say.
const UNCHANGED: TimeSpec = TimeSpec::UTIME_OMIT;

fn timespec((seconds, nanoseconds): (i64, u32)) -> TimeSpec {
    TimeSpec::new(seconds, i64::from(nanoseconds))
}
