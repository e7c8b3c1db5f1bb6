//! The container's file system, built in its own mount namespace before anything of the container runs.
//!
//! Nothing is undone on error: the namespace dies with the process that is in it.

mod cgroup;
mod copy_up;
mod device;
pub(crate) mod hide;
mod idmap;
pub(crate) mod mount;
mod node;
pub(crate) mod root;
pub(crate) mod target;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use ketch_sys::mount::{Change, Propagation, set_attr};
use nix::sys::stat::{Mode, umask};

use self::idmap::Mappings;
use self::node::Nodes;
use crate::init::cgroup::Cgroups;
use crate::init::namespace::Open;
use crate::plan::Plan;
use crate::plan::mount::{Mount, Source};
use crate::step::{At, StepError};

/// What the root and the mounts are made from, where that had to be opened beforehand.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// A detached mount.
    root: Option<OwnedFd>,
    /// The same where it is attached already, for a container without a mount namespace.
    on_host: Option<OwnedFd>,
    /// In the order of the plan's; none where nothing had to be.
    mounts: Vec<Opened>,
    nodes: Nodes,
}

/// What one mount is made from, where that was opened beforehand.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// The source of a bind, with its ids mapped.
    pub(crate) tree: Option<OwnedFd>,
    /// For a new file system: a user namespace with the maps that it gets.
    pub(crate) map: Option<OwnedFd>,
}

impl Sources {
    /// For a container that can open everything but `root`, the sources of `opened` and those of id-mapped binds itself.
    pub(crate) fn later(
        plan: &Plan,
        root: Option<OwnedFd>,
        mut opened: Vec<(PathBuf, OwnedFd)>,
        joined: &[Open<'_>],
    ) -> Result<Sources, StepError> {
        let mut mounts = Vec::new();
        if !opened.is_empty() || plan.mounts.iter().any(|mount| mount.idmap.is_some()) {
            let mut mappings = Mappings::new(joined);
            for mount in &plan.mounts {
                mounts.push(match take(&mut opened, &mount.source) {
                    None if mount.idmap.is_none() => Opened::default(),
                    tree => open(mount, tree, &mut mappings)?,
                });
            }
        }
        Ok(Sources { root, mounts, ..Sources::default() })
    }

    /// Opens everything with the rights of the caller, for a container whose user namespace may have none on the
    /// host's files, and cannot make devices.
    pub(crate) fn open(
        plan: &Plan,
        root: Option<OwnedFd>,
        mut opened: Vec<(PathBuf, OwnedFd)>,
        joined: &[Open<'_>],
    ) -> Result<Sources, StepError> {
        let root = match root {
            Some(root) => root,
            None => cut_off(root::clone(&plan.root.path)?)?,
        };
        let mounts = open_each(plan, &mut opened, joined)?;
        let nodes = match &plan.dev {
            Some(devices) => Nodes::make(devices, &plan.ids)?,
            None => Nodes::Inside,
        };
        Ok(Sources { root: Some(root), mounts, nodes, ..Sources::default() })
    }

    /// Opens all binds, cut off from the host's mounts, for a container whose mounts lie among these: below `root`.
    pub(crate) fn on_host(
        plan: &Plan,
        root: OwnedFd,
        mut opened: Vec<(PathBuf, OwnedFd)>,
        joined: &[Open<'_>],
    ) -> Result<Sources, StepError> {
        let mounts = open_each(plan, &mut opened, joined)?;
        Ok(Sources { on_host: Some(root), mounts, ..Sources::default() })
    }
}

fn open_each(
    plan: &Plan,
    opened: &mut Vec<(PathBuf, OwnedFd)>,
    joined: &[Open<'_>],
) -> Result<Vec<Opened>, StepError> {
    let mut mappings = Mappings::new(joined);
    plan.mounts.iter().map(|mount| open(mount, take(opened, &mount.source), &mut mappings)).collect()
}

/// What mounts of a container that runs already are made from, opened with the rights of the caller.
pub(crate) fn open_all(mounts: &[Mount]) -> Result<Vec<Opened>, StepError> {
    let mut mappings = Mappings::new(&[]);
    mounts.iter().map(|mount| open(mount, None, &mut mappings)).collect()
}

/// `tree` is the source of a bind, if it is there already.
fn open<'a>(
    mount: &'a Mount,
    tree: Option<OwnedFd>,
    mappings: &mut Mappings<'a>,
) -> Result<Opened, StepError> {
    let map = mappings.of(mount)?;
    match &mount.source {
        Source::Bind { path, recursive } => {
            let tree = match tree {
                Some(tree) => tree,
                None => cut_off(mount::clone_source(mount, path, *recursive)?)?,
            };
            if let Some(map) = map {
                idmap::apply(mount, &tree, map)?;
            }
            Ok(Opened { tree: Some(tree), map: None })
        }
        Source::New(_) => {
            let map = map.map(|map| map.try_clone_to_owned()).transpose();
            Ok(Opened { tree: None, map: map.at("duplicate the user namespace for", &mount.destination)? })
        }
        Source::Cgroup | Source::Remount => Ok(Opened::default()),
    }
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
    let root = match sources.on_host {
        Some(root) => root,
        None => {
            root::isolate(&plan.root)?;
            root::attach(&plan.root, sources.root)?
        }
    };

    // What is made gets exactly the mode it is made with.
    let callers = umask(Mode::empty());
    let mut opened = sources.mounts.into_iter();
    for entry in &plan.mounts {
        let opened = opened.next().unwrap_or_default();
        if let Some(tree) = &opened.tree {
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
