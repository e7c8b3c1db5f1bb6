//! The container's root: attached by descriptor, made the root, and the host's taken away.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_sys::mount::{self, Change, Propagation};
use ketch_sys::{Errno, file};
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{chdir, chroot, fchdir};

use crate::plan::Root;
use crate::plan::mount::Mount;
use crate::step::{At, StepError};

/// Cuts the namespace's mounts off from the host's.
///
/// With a shared root they stay connected: a bind then passes on what is mounted in it, to the host too. The container's
/// own mounts do not appear there, as the mount that holds its root is made private ([`attach`]).
pub(super) fn isolate(plan: &Root) -> Result<(), StepError> {
    let Some(propagation) = apart(plan) else { return Ok(()) };
    let change = Change { propagation: Some(propagation), ..Change::default() };
    mount::set_attr_at(c"/", true, change).at("set the propagation of", "the namespace's mounts")
}

/// Makes private what was opened outside for `mount`, where all is to be that and the mount does not say otherwise.
pub(super) fn isolate_opened(plan: &Root, mount: &Mount, tree: impl AsFd) -> Result<(), StepError> {
    let own = mount.change.propagation.or(mount.recursive.propagation);
    match (apart(plan), own) {
        (Some(Propagation::Private), None) => {
            set(tree, true, Propagation::Private).at("set the propagation of", &mount.destination)
        }
        _ => Ok(()),
    }
}

/// How mounts are cut off from the host's; None: they stay connected.
fn apart(plan: &Root) -> Option<Propagation> {
    match plan.propagation {
        Some((Propagation::Shared, _)) => None,
        Some((Propagation::Private, _)) => Some(Propagation::Private),
        // An unbindable mount could not be cloned; the root becomes that at the end.
        Some((Propagation::Slave | Propagation::Unbindable, _)) | None => Some(Propagation::Slave),
    }
}

/// Attaches the root at its path; what comes back is open on it.
///
/// `given` is a detached mount to use. Hooks find the container's files at the path, so it is attached there, and on the
/// namespace's own root only where a user namespace may not even look at that path.
pub(super) fn attach(plan: &Root, given: Option<OwnedFd>) -> Result<OwnedFd, StepError> {
    let path = &plan.path;
    if matches!(plan.propagation, Some((Propagation::Shared, _))) {
        make_parent_private(path)?;
    }
    let tree = match given {
        Some(tree) => {
            // It was cloned before `isolate`: below systemd from a shared mount, on which nothing can pivot.
            if let Some(propagation) = apart(plan) {
                set(&tree, true, propagation).at("set the propagation of", "the container's root")?;
            }
            tree
        }
        None => clone(path)?,
    };
    match mount::attach_followed(&tree, path) {
        Err(Errno::EACCES) => mount::attach_followed(&tree, c"/"),
        result => result,
    }
    .at("mount the container's root on", path)?;
    Ok(tree)
}

/// A detached clone of the root directory, with what is mounted in it.
pub(crate) fn clone(path: &Path) -> Result<OwnedFd, StepError> {
    // ENOTDIR for a file, which could be mounted on itself.
    mount::clone_tree(AT_FDCWD, &path.join("."), true).at("clone the container's root", path)
}

/// Makes what `root` is open on the root of the namespace, and detaches all else.
pub(crate) fn pivot(root: impl AsFd, plan: &Root) -> Result<(), StepError> {
    let connected = matches!(plan.propagation, Some((Propagation::Shared, _)));
    let host = match connected {
        true => Some(file::open(c"/", OFlag::O_PATH).at("open", "the host's root")?),
        false => None,
    };
    fchdir(&root).at("enter", "the container's root")?;
    mount::pivot_here().at("pivot to", "the container's root")?;
    // What is still connected would be unmounted on the host too.
    if let Some(host) = host {
        set(&host, true, Propagation::Slave).at("cut off", "the host's mounts")?;
    }
    mount::detach_here().at("detach", "the host's root")?;
    chdir("/").at("enter", "/")?;
    apply_propagation(root, plan)
}

/// `--no-pivot`, for a host whose root is a ramfs, which cannot be pivoted from. The host's root stays underneath.
pub(crate) fn move_over(root: impl AsFd, plan: &Root) -> Result<(), StepError> {
    fchdir(&root).at("enter", "the container's root")?;
    let host = file::open(c"/", OFlag::O_PATH).at("open", "/")?;
    mount::attach(&root, &host).at("move the container's root over", "/")?;
    enter(&root)?;
    apply_propagation(root, plan)
}

/// Makes what `root` is open on, a mount among the host's, the root of the calling process alone.
pub(crate) fn change(root: impl AsFd, plan: &Root) -> Result<(), StepError> {
    enter(&root)?;
    apply_propagation(root, plan)
}

/// Changes the calling process's root and working directory.
pub(crate) fn enter(root: impl AsFd) -> Result<(), StepError> {
    fchdir(root).at("enter", "the container's root")?;
    chroot(".").at("make the root of", "the container's root")?;
    chdir("/").at("enter", "/")
}

/// Private is what every mount is from the start ([`isolate`]), but for those that are to be something else.
fn apply_propagation(root: impl AsFd, plan: &Root) -> Result<(), StepError> {
    match plan.propagation {
        Some((Propagation::Private, _)) | None => Ok(()),
        Some((propagation, recursive)) => {
            set(root, recursive, propagation).at("set the propagation of", "the container's root")
        }
    }
}

/// What is mounted below a shared mount appears on the host too: the mount that the root's path lies in is made
/// private, so that the container's mounts do not.
fn make_parent_private(path: &Path) -> Result<(), StepError> {
    let step = "find the mount that holds";
    let open_dir = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut here = file::open(path, open_dir).at(step, path)?;
    loop {
        match set(&here, false, Propagation::Private) {
            // Not the root of a mount: that is further up.
            Err(Errno::EINVAL) => {}
            result => return result.at("make private the mount that holds", path),
        }
        let above = openat(&here, "..", open_dir, Mode::empty()).at(step, path)?;
        let (a, b) = (fstat(&here).at(step, path)?, fstat(&above).at(step, path)?);
        if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino) {
            return Err(Errno::EINVAL).at(step, path);
        }
        here = above;
    }
}

pub(crate) fn set(mount: impl AsFd, recursive: bool, propagation: Propagation) -> Result<(), Errno> {
    mount::set_attr(mount, recursive, Change { propagation: Some(propagation), ..Change::default() })
}
