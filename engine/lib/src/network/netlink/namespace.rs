//! Network namespaces, entered and left by one thread.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};

use super::error::{At, Error};

/// The namespace of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace that lives as long as this descriptor, or a process in it, or an interface's other end.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    /// Makes one. The calling thread enters it for a moment and is back where it was.
    pub fn new() -> Result<Namespace, Error> {
        let home = Namespace::own()?;
        unshare(CloneFlags::CLONE_NEWNET).at("make", "a network namespace")?;
        let new = Namespace::own();
        enter(home.as_fd())?;
        new
    }

    /// The one that the calling thread is in.
    pub fn own() -> Result<Namespace, Error> {
        let file = File::open(OWN).at("open", OWN)?;
        Ok(Namespace { fd: file.into() })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Namespace> for OwnedFd {
    fn from(namespace: Namespace) -> OwnedFd {
        namespace.fd
    }
}

/// Does something inside a network namespace, in the calling thread, which is back when this returns. If it cannot
/// come back, the error says so, and the thread is of no more use.
pub fn within<T>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let home = Namespace::own()?;
    enter(namespace)?;
    let result = work();
    enter(home.as_fd())?;
    result
}

/// Brings loopback up in a namespace.
pub fn loopback_up(namespace: BorrowedFd<'_>) -> Result<(), Error> {
    within(namespace, || ketch_sys::ns::loopback_up().at("bring up", "the loopback interface"))
}

fn enter(namespace: BorrowedFd<'_>) -> Result<(), Error> {
    setns(namespace, CloneFlags::CLONE_NEWNET).at("enter", "a network namespace")
}
