//! What happens in the process that becomes CRIU: it gets the container's surroundings, which what it restores inherits.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_sys::mount::{self, Change, Propagation};
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

use crate::criu::external;
use crate::init::{namespace, stdio};
use crate::plan::Plan;
use crate::rootfs::target;
use crate::step::{At, StepError};

/// All that is needed for it.
pub(super) struct Entering<'a> {
    pub(super) plan: &'a Plan,
    /// Ways into the container's cgroups, if the process was not started in them.
    pub(super) entrances: &'a [OwnedFd],
    /// Make the container's cgroup namespace.
    pub(super) cgroup_namespace: bool,
    /// A detached mount, the container's root.
    pub(super) root: &'a OwnedFd,
    /// The directory to mount it on.
    pub(super) at: &'a Path,
    pub(super) stdio: Option<&'a [OwnedFd; 3]>,
}

/// Nothing is undone on error: the namespaces die with the process.
pub(super) fn enter(entering: &Entering<'_>) -> Result<(), StepError> {
    if let Some([input, output, error]) = entering.stdio {
        stdio::replace([input.as_fd(), output.as_fd(), error.as_fd()])?;
    }
    ketch_cgroups::enter(entering.entrances).at("enter", "the container's cgroups")?;
    if entering.cgroup_namespace {
        namespace::unshare_cgroup()?;
    }

    // CRIU wants the root to be a mount of its own that nothing covers. In a namespace of its own: the host never sees it.
    unshare(CloneFlags::CLONE_NEWNS).at("create", "CRIU's mount namespace")?;
    let host = open("/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).at("open", "/")?;
    let slave = Change { propagation: Some(Propagation::Slave), ..Change::default() };
    mount::set_attr(&host, true, slave).at("set the propagation of", "the namespace's mounts")?;
    let at = open(entering.at, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .at("open", entering.at)?;
    mount::attach(entering.root, &at).at("mount the container's root on", entering.at)?;
    make_mount_points(entering.plan, entering.root)
}

/// CRIU mounts on what is there. A container's root may be an older one than that of the checkpoint, or a new one.
fn make_mount_points(plan: &Plan, root: &OwnedFd) -> Result<(), StepError> {
    for (destination, source) in external::in_root(plan) {
        let is_there = target::existing(root, destination)?.is_some();
        if is_there {
            continue;
        }
        let source = mount::clone_tree(AT_FDCWD, source, false)
            .at(&format!("bind {} on", source.display()), destination)?;
        if external::is_directory(&source).at("inspect", "a bind's source")? {
            target::directory(root, destination)?;
        } else {
            target::file(root, destination)?;
        }
    }
    Ok(())
}
