//! `mounts add` and `mounts remove`: other mounts for a container that runs.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ketch_sys::clone::{self, Child};
use ketch_sys::{Errno, pidfd};
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::{Mode, umask};

use super::kill;
use super::state::{State, StateError};
use crate::init::channel::{Channel, Message};
use crate::init::namespace::{become_root, fail};
use crate::plan::mount::{Given, Mount, Source, UserNamespace};
use crate::plan::namespace::kind;
use crate::plan::{self, Invalid};
use crate::rootfs;
use crate::spec;
use crate::step::{At, StepError};

#[derive(Debug, thiserror::Error)]
pub enum MountsError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("container not running: {id:?} is stopped")]
    Stopped { id: String },
    #[error("container {id:?} has no mount namespace of its own")]
    NoNamespace { id: String },
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Mounts `mounts` in the container, in order; relative sources of binds start at `base`. On error those already made are
/// unmounted again; a directory or file that was made to mount on stays.
///
/// They are no part of the container's state: a restored container does not have them.
pub fn add(state: &State, mounts: &[spec::Mount], base: &Path) -> Result<(), MountsError> {
    let mounts = plan::mount::plan(mounts, Given { bundle: base, user: UserNamespace::None, label: None })?;
    if let Some(mount) = mounts.iter().find(|mount| !can_be_added(mount)) {
        let reason = "procfs and cgroups are mounted when a container is made, and only then";
        return Err(Invalid::new("mounts", format!("{}: {reason}", mount.destination.display())).into());
    }
    let init = open_init(state)?;
    let sources = rootfs::open_all(&mounts)?;
    inside(state, &init, || {
        let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .at("open", "the container's root")?;
        // What is made gets exactly the mode it is made with.
        umask(Mode::empty());
        for (done, (mount, opened)) in mounts.iter().zip(sources).enumerate() {
            if let Err(error) = rootfs::mount::one(&root, mount, opened) {
                let made = mounts[..done].iter().rev().filter(|mount| mount.source != Source::Remount);
                made.for_each(|mount| {
                    let _ = unmount(&mount.destination);
                });
                return Err(error);
            }
        }
        Ok(())
    })
}

/// Unmounts what is on top at each of `destinations`, in order; it stays for those who have it open.
pub fn remove(state: &State, destinations: &[PathBuf]) -> Result<(), MountsError> {
    let clean = |path: &PathBuf| match plan::clean(path) {
        Some(clean) if clean != Path::new("/") => Ok(clean),
        _ => Err(Invalid::new("mounts", format!("{}: is no destination of a mount", path.display()))),
    };
    let destinations: Vec<PathBuf> = destinations.iter().map(clean).collect::<Result<_, _>>()?;
    let init = open_init(state)?;
    inside(state, &init, || {
        destinations.iter().try_for_each(|path| match unmount(path) {
            Err(Errno::EINVAL) => Err(Errno::EINVAL).at("unmount what is no mount:", path),
            unmounted => unmounted.at("unmount", path),
        })
    })
}

/// procfs shows the pid namespace of who mounts it, and the process that does it here is not in the container's.
fn can_be_added(mount: &Mount) -> bool {
    match &mount.source {
        Source::Cgroup => false,
        Source::New(filesystem) => filesystem.kind.as_bytes() != b"proc",
        Source::Bind { .. } | Source::Remount => true,
    }
}

/// A path that the container changes meanwhile can lead to another of its own mounts, and nowhere else: its root is the root of
/// who unmounts.
fn unmount(path: &Path) -> Result<(), Errno> {
    umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)
}

fn open_init(state: &State) -> Result<OwnedFd, MountsError> {
    kill::running_init(state)?.ok_or_else(|| MountsError::Stopped { id: state.id.clone() })
}

/// Does `work` in a process that is in the container's namespaces, but for that of pids, as root of its user namespace.
fn inside(
    state: &State,
    init: &OwnedFd,
    work: impl FnOnce() -> Result<(), StepError>,
) -> Result<(), MountsError> {
    let own = state.config.namespaces.iter().fold(0, |flags, namespace| flags | kind(namespace.typ()).0);
    if own & libc::CLONE_NEWNS == 0 {
        return Err(MountsError::NoNamespace { id: state.id.clone() });
    }
    let (ours, theirs) = Channel::pair()?;
    let options = clone::Options { not_inherited: &[ours.as_fd()], ..clone::Options::default() };
    let child = clone::fork(options, || match enter(init, own & !libc::CLONE_NEWPID).and_then(|()| work()) {
        Ok(()) => 0,
        Err(error) => fail(&theirs, error),
    });
    let child = child.at("start", "the process that mounts")?;
    drop(theirs);
    Ok(listen(&ours, &child)?)
}

fn enter(init: &OwnedFd, namespaces: libc::c_int) -> Result<(), StepError> {
    setns(init, CloneFlags::from_bits_retain(namespaces)).at("join", "the container's namespaces")?;
    if namespaces & libc::CLONE_NEWUSER != 0 { become_root(false) } else { Ok(()) }
}

/// What the child says before it ends.
fn listen(channel: &Channel, child: &Child) -> Result<(), StepError> {
    let said = channel.receive();
    pidfd::wait(&child.pidfd).at("wait for", "the process that mounts")?;
    match said? {
        None => Ok(()),
        Some(Message::Failed(error)) => Err(error),
        Some(_) => Err(Errno::EBADMSG).at("understand", "the process that mounts"),
    }
}
