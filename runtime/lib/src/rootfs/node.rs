//! Device nodes for a container whose user namespace may not make them: made, or found, with the caller's rights, and bound.

use std::os::fd::{AsFd, OwnedFd};

use ketch_sys::Errno;
use ketch_sys::mount::{self, Change, attr};
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, mknodat};
use nix::unistd::{Gid, Uid, fchdir, fchownat};

use super::cut_off;
use crate::plan::device::{Devices, Node};
use crate::plan::ids::{self, Maps};
use crate::step::{At, StepError};

/// Where a container's device nodes come from.
#[derive(Debug, Default)]
pub(crate) enum Nodes {
    /// They are made in its root.
    #[default]
    Inside,
    /// They are in this tmpfs, a detached mount, each under its place in the list.
    Made(OwnedFd),
    /// The host's own, for a caller that may not make any either. Those that need no rights are missing.
    Host(Vec<Option<OwnedFd>>),
}

impl Nodes {
    /// Makes the nodes, with the caller's rights; their owners are ids of the container, which `ids` maps.
    pub(super) fn make(devices: &Devices, ids: &Maps) -> Result<Nodes, StepError> {
        match make_all(devices, ids) {
            Ok(tmpfs) => Ok(Nodes::Made(tmpfs)),
            Err(StepError { errno: Errno::EPERM, .. }) => {
                let open = |node| {
                    if is_device(node) { open_host(node).and_then(cut_off).map(Some) } else { Ok(None) }
                };
                Ok(Nodes::Host(devices.nodes.iter().map(open).collect::<Result<_, _>>()?))
            }
            Err(error) => Err(error),
        }
    }

    /// A mount for each of the nodes that is not to be made in the container's root. Runs in its mount namespace.
    pub(super) fn open(self, devices: &Devices) -> Result<Vec<Option<OwnedFd>>, StepError> {
        let tmpfs = match self {
            Nodes::Inside => return Ok(Vec::new()),
            Nodes::Host(nodes) => return Ok(nodes),
            Nodes::Made(tmpfs) => tmpfs,
        };
        // Only what is attached can be cloned in part (before Linux 6.15): for that long it lies on the namespace's root.
        let root = open(c"/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).at("open", "/")?;
        mount::attach(&tmpfs, &root).at("mount the container's devices on", "/")?;
        let open_one =
            |(number, node)| if is_device(node) { clone(&tmpfs, number, node).map(Some) } else { Ok(None) };
        let nodes = devices.nodes.iter().enumerate().map(open_one).collect::<Result<_, _>>()?;
        // It must be gone before the root is pivoted: what then lies on the old root is detached in its place.
        fchdir(&tmpfs).at("enter", "the container's devices")?;
        mount::detach_here().at("detach", "the container's devices")?;
        fchdir(&root).at("enter", "/")?;
        Ok(nodes)
    }
}

fn is_device(node: &Node) -> bool {
    node.kind != SFlag::S_IFIFO
}

fn make_all(devices: &Devices, ids: &Maps) -> Result<OwnedFd, StepError> {
    let step = "mount a tmpfs for";
    let context = mount::Filesystem::open(c"tmpfs").at(step, "the container's devices")?;
    context.create().at(step, "the container's devices")?;
    let tmpfs = context.mount(attr::NOSUID | attr::NOEXEC).at(step, "the container's devices")?;
    for (number, node) in devices.nodes.iter().enumerate().filter(|(_, node)| is_device(node)) {
        let name = number.to_string();
        mknodat(&tmpfs, &*name, node.kind, Mode::empty(), node.number).at("make the device", &node.path)?;
        let mode = Mode::from_bits_truncate(node.mode);
        fchmodat(&tmpfs, &*name, mode, FchmodatFlags::FollowSymlink).at("set the mode of", &node.path)?;
        let (uid, gid) = (owner(&ids.uids, node.uid, node)?, owner(&ids.gids, node.gid, node)?);
        fchownat(
            &tmpfs,
            &*name,
            uid.map(Uid::from_raw),
            gid.map(Gid::from_raw),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .at("set the owner of", &node.path)?;
    }
    Ok(tmpfs)
}

/// What the host calls `id`; `None` in a user namespace that is joined, whose maps are not known: the node stays the caller's.
fn owner(ranges: &[ids::Range], id: u32, node: &Node) -> Result<Option<u32>, StepError> {
    match ids::host(ranges, id) {
        None if !ranges.is_empty() => {
            Err(Errno::EINVAL).at(&format!("give to id {id}, which is not mapped, the device"), &node.path)
        }
        id => Ok(id),
    }
}

fn clone(tmpfs: impl AsFd, number: usize, node: &Node) -> Result<OwnedFd, StepError> {
    mount::clone_tree(tmpfs, &*number.to_string(), false).at("clone the device", &node.path)
}

/// The host's node for `node`, cloned, and known to be the same device.
pub(super) fn open_host(node: &Node) -> Result<OwnedFd, StepError> {
    let tree = mount::clone_tree(AT_FDCWD, &node.path, false).at("open the host's device", &node.path)?;
    let stat = fstat(&tree).at("inspect the host's device", &node.path)?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != node.kind || stat.st_rdev != node.number {
        return Err(Errno::ENODEV).at("use the host's device, which is another one, as", &node.path);
    }
    let change = Change { set: attr::NOSUID | attr::NOEXEC, ..Change::default() };
    mount::set_attr(&tree, false, change).at("set the options of", &node.path)?;
    Ok(tree)
}
