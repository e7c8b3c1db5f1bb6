//! The mount API by file descriptor (Linux 5.2, `mount_setattr` 5.12): a mount is made detached,
//! given its flags while nobody can see it, and then attached to a directory that is open.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::NixPath;
use nix::fcntl::AT_FDCWD;

use crate::{Errno, Result};

/// `MOUNT_ATTR_*` of mount_setattr(2).
pub mod attr {
    pub const RDONLY: u64 = 0x1;
    pub const NOSUID: u64 = 0x2;
    pub const NODEV: u64 = 0x4;
    pub const NOEXEC: u64 = 0x8;
    /// The field that holds one of RELATIME (0), NOATIME and STRICTATIME: clear it to set one.
    pub const ATIME_FIELD: u64 = 0x70;
    pub const RELATIME: u64 = 0;
    pub const NOATIME: u64 = 0x10;
    pub const STRICTATIME: u64 = 0x20;
    pub const NODIRATIME: u64 = 0x80;
    pub(super) const IDMAP: u64 = 0x10_0000;
    pub const NOSYMFOLLOW: u64 = 0x20_0000;
}

/// mount_namespaces(7): where later mounts below this one spread to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Shared,
    Slave,
    Private,
    Unbindable,
}

impl Propagation {
    const fn flag(self) -> u64 {
        match self {
            Propagation::Shared => libc::MS_SHARED,
            Propagation::Slave => libc::MS_SLAVE,
            Propagation::Private => libc::MS_PRIVATE,
            Propagation::Unbindable => libc::MS_UNBINDABLE,
        }
    }
}

/// What [`set_attr`] changes: `clear` first, then `set`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    pub set: u64,
    pub clear: u64,
    pub propagation: Option<Propagation>,
}

/// `struct mount_attr`, first version (Linux 5.12).
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

impl From<Change> for MountAttr {
    fn from(change: Change) -> MountAttr {
        MountAttr {
            attr_set: change.set,
            attr_clr: change.clear,
            propagation: change.propagation.map_or(0, Propagation::flag),
            userns_fd: 0,
        }
    }
}

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const AT_EMPTY_PATH: libc::c_uint = libc::AT_EMPTY_PATH as libc::c_uint;
const AT_RECURSIVE: libc::c_uint = libc::AT_RECURSIVE as libc::c_uint;

/// A detached copy of the mount at `path` (a bind mount that is nowhere yet), with those below it when `recursive`.
/// It vanishes when the descriptor is closed, unless it was attached.
pub fn clone_tree(dir: impl AsFd, path: &(impl NixPath + ?Sized), recursive: bool) -> Result<OwnedFd> {
    open_tree(dir, path, if recursive { AT_RECURSIVE } else { 0 })
}

/// The same, but a symlink at the end of `path` is not followed: it is the root of the copy.
pub fn clone_tree_nofollow(
    dir: impl AsFd,
    path: &(impl NixPath + ?Sized),
    recursive: bool,
) -> Result<OwnedFd> {
    const AT_SYMLINK_NOFOLLOW: libc::c_uint = libc::AT_SYMLINK_NOFOLLOW as libc::c_uint;
    open_tree(dir, path, AT_SYMLINK_NOFOLLOW | if recursive { AT_RECURSIVE } else { 0 })
}

fn open_tree(dir: impl AsFd, path: &(impl NixPath + ?Sized), flags: libc::c_uint) -> Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | flags;
    let fd = path.with_nix_path(|path| {
        // SAFETY: the path is a C string that outlives the call.
        unsafe { libc::syscall(libc::SYS_open_tree, dir.as_fd().as_raw_fd(), path.as_ptr(), flags) }
    })?;
    // SAFETY: a descriptor that the kernel has just made; nobody else owns it.
    Errno::result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// [`clone_tree`] and [`set_attr`] in one call: open_tree_attr(2), and in two before Linux 6.15.
pub fn clone_tree_with(
    dir: impl AsFd,
    path: &(impl NixPath + ?Sized),
    recursive: bool,
    change: Change,
) -> Result<OwnedFd> {
    /// The same on every architecture, as all since Linux 5.
    const SYS_OPEN_TREE_ATTR: libc::c_long = 467;
    static MISSING: AtomicBool = AtomicBool::new(false);
    if !MISSING.load(Ordering::Relaxed) {
        let flags =
            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
        let attr = MountAttr::from(change);
        let fd = path.with_nix_path(|path| {
            // SAFETY: the path is a C string that outlives the call, and `attr` is laid out as the kernel's struct of the
            // size given, and is only read.
            unsafe {
                libc::syscall(
                    SYS_OPEN_TREE_ATTR,
                    dir.as_fd().as_raw_fd(),
                    path.as_ptr(),
                    flags,
                    &raw const attr,
                    size_of::<MountAttr>(),
                )
            }
        })?;
        match Errno::result(fd) {
            // EPERM: from a filter on us that does not know the call; or it is so, and is said again below.
            Err(Errno::ENOSYS | Errno::EPERM) => MISSING.store(true, Ordering::Relaxed),
            // SAFETY: a descriptor that the kernel has just made; nobody else owns it.
            fd => return fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) }),
        }
    }
    let tree = clone_tree(dir, path, recursive)?;
    set_attr(&tree, recursive, change)?;
    Ok(tree)
}

/// Attaches the detached mount `mount` on what `target` is open on.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> Result<()> {
    attach_at(mount, target, c"")
}

/// Attaches the detached mount `mount` on `path` below `dir`; a symlink at its end is not followed.
pub fn attach_at(mount: impl AsFd, dir: impl AsFd, path: &(impl NixPath + ?Sized)) -> Result<()> {
    move_to(mount, dir, path, 0)
}

/// Attaches the detached mount `mount` on `path`, wherever symlinks in it lead.
pub fn attach_followed(mount: impl AsFd, path: &(impl NixPath + ?Sized)) -> Result<()> {
    const MOVE_MOUNT_T_SYMLINKS: libc::c_uint = 0x10;
    move_to(mount, AT_FDCWD, path, MOVE_MOUNT_T_SYMLINKS)
}

fn move_to(
    mount: impl AsFd,
    dir: impl AsFd,
    path: &(impl NixPath + ?Sized),
    flags: libc::c_uint,
) -> Result<()> {
    const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x4;
    const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x40;
    let result = path.with_nix_path(|path| {
        let empty = if path.is_empty() { MOVE_MOUNT_T_EMPTY_PATH } else { 0 };
        let flags = MOVE_MOUNT_F_EMPTY_PATH | empty | flags;
        // SAFETY: both paths are C strings that outlive the call.
        unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                mount.as_fd().as_raw_fd(),
                c"".as_ptr(),
                dir.as_fd().as_raw_fd(),
                path.as_ptr(),
                flags,
            )
        }
    })?;
    Errno::result(result).map(drop)
}

/// The number of the mount that `mount` is open in: STATX_MNT_ID of statx(2), Linux 5.8. The kernel gives it to another
/// once this mount is gone.
pub fn id(mount: impl AsFd) -> Result<u64> {
    const STATX_MNT_ID: libc::c_uint = 0x1000;
    // SAFETY: integers alone, for which zeros are values.
    let mut answer: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the path is a C string, and `answer` is the kernel's struct, which it writes to.
    let result = unsafe {
        libc::syscall(
            libc::SYS_statx,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            AT_EMPTY_PATH,
            STATX_MNT_ID,
            &raw mut answer,
        )
    };
    Errno::result(result).map(|_| answer.stx_mnt_id)
}

/// Changes the flags of the mount whose root `mount` is open on, and of those below it when `recursive`.
pub fn set_attr(mount: impl AsFd, recursive: bool, change: Change) -> Result<()> {
    change_attr(mount, c"", recursive, &MountAttr::from(change))
}

/// The same for the mount that is on the directory `path`.
pub fn set_attr_at(path: &CStr, recursive: bool, change: Change) -> Result<()> {
    change_attr(AT_FDCWD, path, recursive, &MountAttr::from(change))
}

/// Has the detached mount, and those below it when `recursive`, show the file system's ids as the user namespace `user`
/// maps them: an id inside of it is the file system's, the one outside is what processes see.
///
/// EPERM: the caller is not root of the user namespace that the file system was mounted in, or the mount is id-mapped
/// already. EINVAL: this kind of file system cannot (those on disks and tmpfs can, overlay, NFS and procfs cannot), or the
/// mount was attached.
pub fn set_idmap(mount: impl AsFd, recursive: bool, user: impl AsFd) -> Result<()> {
    let userns_fd = user.as_fd().as_raw_fd().cast_unsigned().into();
    let attr = MountAttr { attr_set: attr::IDMAP, attr_clr: 0, propagation: 0, userns_fd };
    change_attr(mount, c"", recursive, &attr)
}

fn change_attr(dir: impl AsFd, path: &CStr, recursive: bool, attr: &MountAttr) -> Result<()> {
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string; `attr` is laid out as the kernel's struct of the size given, and is only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// A file system being configured: fsopen(2).
#[derive(Debug)]
pub struct Filesystem(OwnedFd);

impl Filesystem {
    /// ENODEV: the kernel does not know `kind`.
    pub fn open(kind: &CStr) -> Result<Filesystem> {
        const FSOPEN_CLOEXEC: libc::c_uint = 1;
        // SAFETY: `kind` outlives the call; the answer is a new descriptor.
        unsafe {
            let fd = Errno::result(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC))?;
            Ok(Filesystem(OwnedFd::from_raw_fd(fd as i32)))
        }
    }

    /// A parameter without a value, such as `ro`.
    pub fn set_flag(&self, key: &CStr) -> Result<()> {
        const FSCONFIG_SET_FLAG: libc::c_uint = 0;
        self.config(FSCONFIG_SET_FLAG, Some(key), None)
    }

    pub fn set_string(&self, key: &CStr, value: &CStr) -> Result<()> {
        const FSCONFIG_SET_STRING: libc::c_uint = 1;
        self.config(FSCONFIG_SET_STRING, Some(key), Some(value))
    }

    /// Makes the file system, once its parameters are set.
    pub fn create(&self) -> Result<()> {
        const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
        self.config(FSCONFIG_CMD_CREATE, None, None)
    }

    /// A detached mount of it, with [`attr`] flags.
    pub fn mount(self, attributes: u64) -> Result<OwnedFd> {
        const FSMOUNT_CLOEXEC: libc::c_uint = 1;
        // SAFETY: takes integers only; the answer is a new descriptor.
        unsafe {
            let fd = Errno::result(libc::syscall(
                libc::SYS_fsmount,
                self.0.as_raw_fd(),
                FSMOUNT_CLOEXEC,
                attributes as libc::c_uint,
            ))?;
            Ok(OwnedFd::from_raw_fd(fd as i32))
        }
    }

    /// What the file system says of the parameter it refused, such as `tmpfs: Unknown parameter 'foo'`.
    pub fn complaint(&self) -> Option<String> {
        let mut text = [0; 256];
        let n = nix::unistd::read(&self.0, &mut text).ok()?;
        // Each message starts with its level and a blank: "e ".
        let message = text.get(2..n)?;
        Some(String::from_utf8_lossy(message).trim_end().to_owned())
    }

    fn config(&self, command: libc::c_uint, key: Option<&CStr>, value: Option<&CStr>) -> Result<()> {
        let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: the strings outlive the call; null is what the kernel wants where a command takes none.
        let result = unsafe {
            libc::syscall(libc::SYS_fsconfig, self.0.as_raw_fd(), command, pointer(key), pointer(value), 0)
        };
        Errno::result(result).map(drop)
    }
}

/// `pivot_root(".", ".")`: the working directory becomes the root, with the old root stacked on top of it,
/// where [`detach_here`] takes it away. pivot_root(2) describes this use.
pub fn pivot_here() -> Result<()> {
    // SAFETY: the paths are C strings.
    Errno::result(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) }).map(drop)
}

/// `umount2(".", MNT_DETACH)`: the mount on top of the working directory and all below it.
pub fn detach_here() -> Result<()> {
    nix::mount::umount2(c".", nix::mount::MntFlags::MNT_DETACH)
}
