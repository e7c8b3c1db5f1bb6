//! Who is in the user's namespaces.
//!
//! Without root all containers of a user live in one user namespace with one mount namespace, which exist as long as a
//! process is in them. Whoever is in there and is ketch holds a lock on one file (fcntl(2), `F_SETLK`), and the kernel
//! tells which process that is. So there is no process that does nothing but keep them, and no file to go stale.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ketch_sys::lock::{Kind, hold, holder, lock, unlock};
use ketch_sys::{Errno, pidfd};

/// Shared by all members.
const MEMBER: Range<i64> = 0..1;
/// Held by one command at a time, which looks for a member or becomes the first.
const TURN: Range<i64> = 1..2;

#[derive(Debug)]
pub struct Members(File);

/// Nobody else finds or makes the namespaces meanwhile.
#[derive(Debug)]
pub struct Turn<'a>(&'a Members);

impl Members {
    /// Opens the file, and makes it when missing. A process that has joined must not open it again.
    pub fn open(path: &Path) -> io::Result<Members> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map(Members)
    }

    /// Waits for those that are about it.
    pub fn turn(&self) -> Result<Turn<'_>, Errno> {
        lock(&self.0, Kind::Exclusive, TURN)?;
        Ok(Turn(self))
    }

    /// A member that lives. ESRCH: there is one in a pid namespace that cannot be seen from here.
    pub fn find(&self) -> Result<Option<OwnedFd>, Errno> {
        loop {
            let found = match holder(&self.0, MEMBER)? {
                None => return Ok(None),
                Some(0) => return Err(Errno::ESRCH),
                Some(pid) => (pid, pidfd::open(pid)),
            };
            match found {
                (pid, Ok(pidfd)) if holder(&self.0, MEMBER)? == Some(pid) => return Ok(Some(pidfd)),
                // It ended meanwhile.
                (_, Ok(_) | Err(Errno::ESRCH)) => {}
                (_, Err(errno)) => return Err(errno),
            }
        }
    }

    /// The calling process is a member from now on, for as long as it [`keep`](Members::keep)s this.
    pub fn join(&self) -> Result<(), Errno> {
        hold(&self.0, MEMBER)
    }

    /// For the rest of the process's life; what it executes goes on being a member if `lasting`.
    pub fn keep(self, lasting: bool) -> Result<(), Errno> {
        let file: OwnedFd = self.0.into();
        if lasting {
            ketch_sys::inherit::keep_on_exec(file.as_fd())?;
        }
        // Closing it would end the membership.
        std::mem::forget(file);
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // The descriptor is good; a lock that is held can be let go.
        let _ = unlock(&self.0.0, TURN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_while_it_lives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("members");
        let members = Members::open(&path).unwrap();
        assert!(members.find().unwrap().is_none());

        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut child = std::process::Command::new("sh");
        child.args(["-c", "read x"]).stdin(OwnedFd::from(theirs));
        let mut child = child.spawn().unwrap();
        assert!(members.find().unwrap().is_none(), "a child is no member");
        drop(ours);
        child.wait().unwrap();
        drop(members.turn().unwrap());
    }
}
