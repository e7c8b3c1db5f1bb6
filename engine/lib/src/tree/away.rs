//! Mount namespaces, entered and left by one thread.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::unistd::fchdir;

/// Another mount namespace, and the way home. Both ways change root and working directory.
#[derive(Debug)]
pub(crate) struct Away {
    namespace: File,
    working_directory: OwnedFd,
}

impl Away {
    pub(crate) fn go(leave: impl FnOnce() -> nix::Result<()>) -> nix::Result<Away> {
        let namespace = OpenOptions::new().read(true).open("/proc/thread-self/ns/mnt");
        let namespace =
            namespace.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let working_directory = open(".", flags, Mode::empty())?;
        leave()?;
        Ok(Away { namespace, working_directory })
    }

    pub(crate) fn back(self) -> nix::Result<()> {
        setns(&self.namespace, CloneFlags::CLONE_NEWNS)?;
        fchdir(&self.working_directory)
    }
}
