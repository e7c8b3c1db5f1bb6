//! The container's terminal: a pty of the container's own devpts.

use std::os::fd::{AsFd, OwnedFd};

use ketch_sys::{Errno, mount, openat2, tty};
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat, makedev};
use nix::sys::statfs::{DEVPTS_SUPER_MAGIC, fstatfs};

use crate::rootfs::target;
use crate::step::{At, StepError};

/// Both ends of a pty.
#[derive(Debug)]
pub(crate) struct Console {
    pub(crate) master: OwnedFd,
    slave: OwnedFd,
}

/// Makes a pty in the devpts at `/dev/pts` below `root`.
///
/// The path is the container's to choose, so what it leads to is checked before anything is done to it: a real ptmx in
/// a real devpts. The other end comes from the master itself, never by a path (CVE-2025-52565).
pub(crate) fn open(root: impl AsFd, size: Option<tty::Size>) -> Result<Console, StepError> {
    const PTMX: &str = "/dev/pts/ptmx";
    // O_PATH first: opening a stand-in, a tape drive say, can have effects of its own.
    let node = openat2::open_in_root(&root, PTMX, OFlag::O_PATH | OFlag::O_NOFOLLOW)
        .at("open the terminal at", PTMX)?;
    let stat = fstat(&node).at("inspect", PTMX)?;
    let is_ptmx = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR
        && stat.st_rdev == makedev(5, 2)
        && fstatfs(&node).at("inspect", PTMX)?.filesystem_type() == DEVPTS_SUPER_MAGIC;
    if !is_ptmx {
        return Err(Errno::ENODEV).at("use as a devpts", PTMX);
    }
    let master = openat2::open_in_root(&root, PTMX, OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW)
        .at("open the terminal at", PTMX)?;
    if fstat(&master).at("inspect", PTMX)?.st_rdev != stat.st_rdev {
        return Err(Errno::ENODEV).at("use as a devpts", PTMX);
    }
    tty::unlock(&master).at("unlock the terminal of", PTMX)?;
    if let Some(size) = size {
        tty::set_size(&master, size).at("set the size of the terminal of", PTMX)?;
    }
    let slave = tty::peer(&master).at("open the other end of", PTMX)?;
    Ok(Console { master, slave })
}

impl Console {
    /// Binds the terminal on `/dev/console` below `root`.
    pub(crate) fn bind(&self, root: impl AsFd) -> Result<(), StepError> {
        const CONSOLE: &str = "/dev/console";
        let target = target::file(root, CONSOLE.as_ref())?;
        let tree = mount::clone_tree(&self.slave, c"", false).at("clone the terminal for", CONSOLE)?;
        mount::attach(&tree, &target).at("mount the terminal on", CONSOLE)
    }

    /// Makes the terminal the calling session leader's own, and its standard streams.
    pub(crate) fn take(&self) -> Result<(), StepError> {
        tty::set_controlling(&self.slave).at("make the controlling terminal of", "init")?;
        super::stdio::replace([self.slave.as_fd(), self.slave.as_fd(), self.slave.as_fd()])
    }
}
