//! User namespaces that nobody lives in: their maps are how an id-mapped mount shows ids (mount_setattr(2)), and containers
//! join them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ketch_sys::clone::{self, Child, Options};
use ketch_sys::{Errno, ns, pidfd};
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{pipe2, read, write};

use crate::init::idmap;
use crate::plan::ids::Maps;
use crate::step::{At, StepError};

const STEP: &str = "make a user namespace for";

/// A new user namespace.
#[derive(Debug)]
pub struct Made {
    pub user: OwnedFd,
    /// A network namespace that belongs to it, with its loopback interface up.
    pub network: Option<OwnedFd>,
}

/// A new user namespace with these maps, for `object`, and with a network namespace if `network` says so. A process makes
/// it, and ends when they are written, or this one ends. The calling process must have one thread.
pub fn make(maps: &Maps, network: bool, object: &str) -> Result<Made, StepError> {
    let of_network = if network { libc::CLONE_NEWNET } else { 0 };
    let namespaces = (libc::CLONE_NEWUSER | of_network) as u32 as u64;
    while_in(
        namespaces,
        object,
        || !network || ns::loopback_up().is_ok(),
        |child| {
            idmap::write(child.pid, maps)?;
            let network = network.then(|| open_of(child, "net")).transpose()?;
            Ok(Made { user: open_of(child, "user")?, network })
        },
    )
}

/// A new network namespace that belongs to the user namespace `user`, with its loopback interface up.
pub fn network_in(user: BorrowedFd<'_>, object: &str) -> Result<OwnedFd, StepError> {
    let enter = || {
        setns(user, CloneFlags::CLONE_NEWUSER)
            .and_then(|()| unshare(CloneFlags::CLONE_NEWNET))
            .and_then(|()| ns::loopback_up())
    };
    while_in(0, object, || enter().is_ok(), |child| open_of(child, "net"))
}

/// The maps of the user namespace `user`, with ids of the caller's: `uid_map` and `gid_map` of proc(5).
pub fn maps_of(user: BorrowedFd<'_>, object: &str) -> Result<(String, String), StepError> {
    let enter = || setns(user, CloneFlags::CLONE_NEWUSER).is_ok();
    while_in(0, object, enter, |child| {
        let read = |name: &str| {
            let path = format!("/proc/{}/{name}", child.pid);
            std::fs::read_to_string(&path).at("read", &path)
        };
        Ok((read("uid_map")?, read("gid_map")?))
    })
}

/// Starts a process, which does `enter`, and does `work` with it while it waits.
fn while_in<T>(
    namespaces: u64,
    object: &str,
    enter: impl FnOnce() -> bool,
    work: impl FnOnce(&Child) -> Result<T, StepError>,
) -> Result<T, StepError> {
    let (until, end) = pipe2(OFlag::O_CLOEXEC).at(STEP, object)?;
    let (entered, enters) = pipe2(OFlag::O_CLOEXEC).at(STEP, object)?;
    let not_inherited = [end.as_fd(), entered.as_fd()];
    let options = Options { namespaces, not_inherited: &not_inherited, ..Options::default() };
    let child = clone::fork(options, || {
        if !enter() || write(&enters, b"x").is_err() {
            return 1;
        }
        while read(&until, &mut [0]) == Err(Errno::EINTR) {}
        0
    })
    .at(STEP, object)?;
    drop(enters);
    let is_there = loop {
        match read(&entered, &mut [0]) {
            Err(Errno::EINTR) => {}
            count => break count == Ok(1),
        }
    };
    let done = if is_there { work(&child) } else { Err(Errno::EPERM).at("enter a namespace of", object) };
    drop(end);
    pidfd::reap(&child.pidfd).at("wait for the process in the user namespace of", object)?;
    done
}

fn open_of(child: &Child, kind: &str) -> Result<OwnedFd, StepError> {
    let path = format!("/proc/{}/ns/{kind}", child.pid);
    open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).at("open", &path)
}
