//! Getting a process into its namespaces: made by `clone3`, joined by `setns`, or both.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ketch_sys::clone::{self, Child};
use ketch_sys::{Errno, pidfd};
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::stat::{Mode, fstat, stat};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::channel::{Channel, Message};
use super::procfs::Procfs;
use crate::plan::Plan;
use crate::plan::namespace::{Joined, Namespaces};
use crate::step::{At, StepError};

/// A namespace to join, open.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    pub(crate) joined: &'a Joined,
    pub(crate) fd: OwnedFd,
}

/// Opens all namespaces given by path, in the caller's view of the file system.
pub(crate) fn open_joined(namespaces: &Namespaces) -> Result<Vec<Open<'_>>, StepError> {
    let open_one = |joined| {
        let Joined { name, path, .. }: &Joined = joined;
        let fd = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
        Ok(Open { joined, fd: fd.at(&format!("open the {name} namespace"), path)? })
    };
    namespaces.joined.iter().map(open_one).collect()
}

/// What changes a network is for one of the container's own: a joined namespace must not be the caller's.
pub(crate) fn refuse_host_network(plan: &Plan, open: &[Open<'_>]) -> Result<(), StepError> {
    let Some(network) = open.iter().find(|ns| ns.joined.flag == libc::CLONE_NEWNET) else { return Ok(()) };
    let sysctl = plan.sysctl.iter().find(|sysctl| sysctl.path.starts_with("net/"));
    let device = plan.net_devices.first();
    if sysctl.is_none() && device.is_none() {
        return Ok(());
    }
    let step = "inspect the network namespace";
    let (theirs, ours) = (fstat(&network.fd), stat("/proc/self/ns/net"));
    let (theirs, ours) = (theirs.at(step, &network.joined.path)?, ours.at(step, "/proc/self/ns/net")?);
    if (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino) {
        return Ok(());
    }
    if let Some(sysctl) = sysctl {
        return Err(Errno::EPERM).at("set, in the host's own network namespace,", &sysctl.path);
    }
    Err(Errno::EPERM).at(
        "move, to the host's own network namespace, the network device",
        device.map_or("", |device| &device.name),
    )
}

/// The network namespace of a container whose init is `pid`.
pub(crate) fn open_network(open: &[Open<'_>], pid: i32) -> Result<OwnedFd, StepError> {
    match open.iter().find(|ns| ns.joined.flag == libc::CLONE_NEWNET) {
        Some(joined) => joined.fd.try_clone().at("duplicate", "a descriptor"),
        None => {
            let path = format!("/proc/{pid}/ns/net");
            let file = nix::fcntl::open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
            file.at("open", &path)
        }
    }
}

/// Starts `init` as a child of the caller, in those of its namespaces that can be made at once; the others
/// are made by `init`: see [`unshare_cgroup`], [`unshare_ipc`] and [`unshare_time`].
///
/// `ours` and `theirs` are the ends of the channel; `init` gets the latter and returns an exit status. If
/// [`waits_for_go`], it begins when it is sent Go. It does not inherit `ours`, nor `callers_own`.
pub(crate) fn spawn(
    plan: &Plan,
    open: &[Open<'_>],
    cgroup: Option<BorrowedFd<'_>>,
    (ours, theirs): (&Channel, &Channel),
    callers_own: BorrowedFd<'_>,
    init: impl FnOnce(&Channel) -> i32,
) -> Result<Child, StepError> {
    let namespaces = &plan.namespaces;
    let not_inherited = [ours.as_fd(), callers_own];
    let mut later = libc::CLONE_NEWCGROUP | libc::CLONE_NEWTIME;
    if ipc_is_later(namespaces) {
        later |= libc::CLONE_NEWIPC;
    }
    let new = (namespaces.new & !later) as u32 as u64;
    if goes_between(namespaces) {
        let options = clone::Options { cgroup, not_inherited: &not_inherited, ..clone::Options::default() };
        return spawn_between(options, new, open, (ours, theirs), init);
    }
    let options = clone::Options { namespaces: new, cgroup, sibling: false, not_inherited: &not_inherited };
    let waits = waits_for_go(plan);
    clone::fork(options, || {
        match join(open).and_then(|()| if waits { theirs.wait_for_go() } else { Ok(()) }) {
            Ok(()) => init(theirs),
            Err(error) => fail(theirs, error),
        }
    })
    .at("create", "init's process and namespaces")
}

/// Whether init does not begin before it is sent Go: the caller has to map its ids or move network devices to it, or does
/// not know its pid yet.
pub(crate) fn waits_for_go(plan: &Plan) -> bool {
    let namespaces = &plan.namespaces;
    namespaces.creates(libc::CLONE_NEWUSER) || goes_between(namespaces) || !plan.net_devices.is_empty()
}

/// A joined pid namespace is only for children. A joined user namespace must own the new ones, and a new one has no
/// rights to join what is outside it.
fn goes_between(namespaces: &Namespaces) -> bool {
    namespaces.joins(libc::CLONE_NEWPID)
        || namespaces.joins(libc::CLONE_NEWUSER)
        || (namespaces.creates(libc::CLONE_NEWUSER) && !namespaces.joined.is_empty())
}

/// The same by a process in between, which joins first, makes init as its own sibling, and ends.
fn spawn_between(
    options: clone::Options<'_>,
    new: u64,
    open: &[Open<'_>],
    (ours, theirs): (&Channel, &Channel),
    init: impl FnOnce(&Channel) -> i32,
) -> Result<Child, StepError> {
    let between = clone::fork(options, || {
        let options = clone::Options { namespaces: new, sibling: true, ..clone::Options::default() };
        let made = join(open).and_then(|()| {
            // Not before the runtime knows it: a message of its own could come before its pid.
            clone::fork(options, || match theirs.wait_for_go() {
                Ok(()) => init(theirs),
                Err(error) => fail(theirs, error),
            })
            .at("create", "init's process and namespaces")
        });
        match made.and_then(|child| theirs.send(&Message::Successor(child.pid, child.pidfd))) {
            Ok(()) => 0,
            Err(error) => fail(theirs, error),
        }
    })
    .at("create", "init's parent process")?;

    let answer = ours.receive();
    pidfd::wait(&between.pidfd).at("wait for", "init's parent process")?;
    match answer? {
        Some(Message::Successor(pid, pidfd)) => Ok(Child { pid, pidfd }),
        Some(Message::Failed(error)) => Err(error),
        Some(_) => Err(Errno::EBADMSG).at("understand", "init's parent process"),
        None => Err(Errno::EPIPE).at("hear from", "init's parent process"),
    }
}

/// Reports `error` as a process that was to become init; its exit status.
pub(crate) fn fail(channel: &Channel, error: StepError) -> i32 {
    // Nobody is left to tell if this fails: the other end then sees the channel close.
    let _ = channel.send(&Message::Failed(error));
    1
}

/// Joins `open`. What the caller may not join with its own rights is tried again with those that it has in the user
/// namespace among them.
fn join(open: &[Open<'_>]) -> Result<(), StepError> {
    let (users, others): (Vec<_>, Vec<_>) = open.iter().partition(|ns| ns.joined.flag == libc::CLONE_NEWUSER);
    let mut later = Vec::new();
    for namespace in others {
        match enter(namespace) {
            Err(error) if error.errno == Errno::EPERM && !users.is_empty() => later.push(namespace),
            result => result?,
        }
    }
    users.into_iter().chain(later).try_for_each(enter)
}

fn enter(namespace: &Open<'_>) -> Result<(), StepError> {
    let Joined { flag, name, path } = namespace.joined;
    setns(&namespace.fd, CloneFlags::from_bits_retain(*flag)).at(&format!("join the {name} namespace"), path)
}

/// The message queue file system belongs to the ids of the process that made its namespace. With a user namespace
/// that must be its root, which init only becomes.
fn ipc_is_later(namespaces: &Namespaces) -> bool {
    namespaces.creates(libc::CLONE_NEWIPC) && namespaces.separates(libc::CLONE_NEWUSER)
}

/// Makes the IPC namespace that [`spawn`] did not.
pub(crate) fn unshare_ipc(namespaces: &Namespaces) -> Result<(), StepError> {
    if !ipc_is_later(namespaces) {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWIPC).at("create", "the IPC namespace")
}

/// Makes a cgroup namespace; its root is the cgroup that the caller is in now.
pub(crate) fn unshare_cgroup() -> Result<(), StepError> {
    unshare(CloneFlags::CLONE_NEWCGROUP).at("create", "the cgroup namespace")
}

/// Makes a time namespace with these offsets and goes into it. They can be set only while nobody is inside:
/// time_namespaces(7).
pub(crate) fn unshare_time(offsets: &[String]) -> Result<(), StepError> {
    let time = CloneFlags::from_bits_retain(libc::CLONE_NEWTIME);
    unshare(time).at("create", "the time namespace")?;
    let procfs = Procfs::host()?;
    if !offsets.is_empty() {
        write_time_offsets(&procfs, offsets)?;
    }
    let own = procfs.namespace("time_for_children")?;
    setns(&own, time).at("join", "the new time namespace")
}

/// After a change of ids a process may not be looked into by its own user, to whom its files in procfs then do not belong:
/// proc(5). For the time that it takes it may.
fn write_time_offsets(procfs: &Procfs, offsets: &[String]) -> Result<(), StepError> {
    let write = || procfs.write("self/timens_offsets", &offsets.concat());
    match write() {
        Err(StepError { errno: Errno::EACCES, .. }) => {}
        result => return result,
    }
    prctl::set_dumpable(true).at("set", "the dumpable flag")?;
    let written = write();
    prctl::set_dumpable(false).at("clear", "the dumpable flag")?;
    written
}

/// Becomes root of the user namespace that the caller is in. Until then it has the ids of outside, which may mean nothing
/// inside. Its groups are kept if the configuration wants that.
pub(crate) fn become_root(keeps_groups: bool) -> Result<(), StepError> {
    if !keeps_groups {
        match setgroups(&[]) {
            // `deny` in /proc/self/setgroups, as an unprivileged map needs: the groups stay.
            Ok(()) | Err(Errno::EPERM) => {}
            Err(errno) => return Err(errno).at("clear the groups of", "init"),
        }
    }
    let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(group, group, group).at("become group 0 of", "the user namespace")?;
    setresuid(root, root, root).at("become user 0 of", "the user namespace")
}
