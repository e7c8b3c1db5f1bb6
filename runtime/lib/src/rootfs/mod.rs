//! The container's file system, built in its own mount namespace before anything of the container runs.
//!
//! Nothing is undone on error: the namespace dies with the process that is in it.

mod cgroup;
mod copy_up;
mod device;
pub(crate) mod hide;
pub(crate) mod mount;
mod node;
pub(crate) mod root;
pub(crate) mod target;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use ketch_sys::mount::{Change, Propagation, set_attr};
use nix::sys::stat::{Mode, umask};

use self::node::Nodes;
use crate::init::cgroup::Cgroups;
use crate::plan::Plan;
use crate::plan::mount::{Mount, Source};
use crate::step::{At, StepError};

/// What the root and the mounts are made from, where that had to be opened beforehand.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// A detached mount.
    root: Option<OwnedFd>,
    binds: Vec<Option<OwnedFd>>,
    nodes: Nodes,
}

impl Sources {
    /// For a container that can open everything but `root` and the sources of `opened` itself.
    pub(crate) fn later(plan: &Plan, root: Option<OwnedFd>, mut opened: Vec<(PathBuf, OwnedFd)>) -> Sources {
        let binds = match opened.is_empty() {
            true => Vec::new(),
            false => plan.mounts.iter().map(|mount| take(&mut opened, &mount.source)).collect(),
        };
        Sources { root, binds, ..Sources::default() }
    }

    /// Opens everything with the rights of the caller, for a container whose user namespace may have none on the
    /// host's files, and cannot make devices.
    pub(crate) fn open(
        plan: &Plan,
        root: Option<OwnedFd>,
        mut opened: Vec<(PathBuf, OwnedFd)>,
    ) -> Result<Sources, StepError> {
        let root = match root {
            Some(root) => root,
            None => cut_off(root::clone(&plan.root.path)?)?,
        };
        let mut binds = Vec::with_capacity(plan.mounts.len());
        for mount in &plan.mounts {
            if let Some(opened) = take(&mut opened, &mount.source) {
                binds.push(Some(opened));
                continue;
            }
            binds.push(open_source(mount)?);
        }
        let nodes = match &plan.dev {
            Some(devices) => Nodes::make(devices, &plan.ids)?,
            None => Nodes::Inside,
        };
        Ok(Sources { root: Some(root), binds, nodes })
    }
}

/// The source of a bind, cloned with the rights of the caller and cut off from its peers on the host.
pub(crate) fn open_source(mount: &Mount) -> Result<Option<OwnedFd>, StepError> {
    let Source::Bind { path, recursive } = &mount.source else { return Ok(None) };
    cut_off(mount::clone_source(mount, path, *recursive)?).map(Some)
}

/// The mount that was opened for a bind of this source.
fn take(opened: &mut Vec<(PathBuf, OwnedFd)>, source: &Source) -> Option<OwnedFd> {
    let Source::Bind { path, .. } = source else { return None };
    let index = opened.iter().position(|(of, _)| of == path)?;
    Some(opened.swap_remove(index).1)
}

/// A clone made outside the container's namespace is still the host mount's peer.
fn cut_off(tree: OwnedFd) -> Result<OwnedFd, StepError> {
    let slave = Change { propagation: Some(Propagation::Slave), ..Change::default() };
    set_attr(&tree, true, slave).at("set the propagation of", "a mount's source")?;
    Ok(tree)
}

/// Builds the container's file system; what comes back is open on its root, which is not yet the process's.
pub(crate) fn build(plan: &Plan, sources: Sources, cgroups: &mut Cgroups<'_>) -> Result<OwnedFd, StepError> {
    root::isolate(&plan.root)?;
    let root = root::attach(&plan.root, sources.root)?;

    // What is made gets exactly the mode it is made with.
    let callers = umask(Mode::empty());
    let mut binds = sources.binds.into_iter();
    for entry in &plan.mounts {
        let opened = binds.next().flatten();
        if let Some(tree) = &opened {
            root::isolate_opened(&plan.root, entry, tree)?;
        }
        match &entry.source {
            Source::Cgroup => cgroup::mount(&root, entry, cgroups)?,
            _ => mount::one(&root, entry, opened)?,
        }
    }
    if let Some(devices) = &plan.dev {
        device::populate(&root, devices, sources.nodes)?;
    }
    if let Some(dev) = plan.mounts.iter().rfind(|entry| mount::is_dev(entry)) {
        mount::remount(&root, dev)?;
    }
    umask(callers);
    Ok(root)
}

/// The last step before the root is the process's own: hide what the configuration hides.
pub(crate) fn seal(plan: &Plan, root: impl AsFd) -> Result<(), StepError> {
    hide::hide(&root, &plan.hidden)?;
    if plan.root.read_only {
        hide::protect_root(&root)?;
    }
    Ok(())
}
