//! What happens in the process that becomes CRIU: it gets the container's surroundings, which what it restores inherits.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ketch_sys::Errno;
use ketch_sys::mount::{self, Change, Propagation, attr};
use nix::fcntl::{AT_FDCWD, OFlag, open, openat};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};

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
    /// The directory that holds the [`Places`].
    pub(super) at: &'a Path,
    pub(super) stdio: Option<&'a [OwnedFd; 3]>,
}

/// Where CRIU finds what is mounted for it alone, on a file system of its own over the container's directory.
pub(super) struct Places {
    pub(super) root: PathBuf,
    /// CRIU mounts the cgroup hierarchies below it (criu(8), `--cgroup-yard`). Without one it makes one in its work
    /// directory, which it has from us: that is in the host's mount namespace, where it cannot mount (EINVAL).
    pub(super) cgroup_yard: PathBuf,
    /// The devices of a container with a user namespace.
    pub(super) nodes: PathBuf,
}

const ROOT: &str = "root";
const CGROUP_YARD: &str = "cgroup";
const NODES: &str = "dev";

impl Places {
    pub(super) fn below(directory: &Path) -> Places {
        let [root, cgroup_yard, nodes] = [ROOT, CGROUP_YARD, NODES].map(|name| directory.join(name));
        Places { root, cgroup_yard, nodes }
    }
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
    let places = make_places(entering.at).at("mount a tmpfs on", entering.at)?;
    bind_nodes(entering.plan, &places)?;
    mount::attach_at(entering.root, &places, ROOT).at("mount the container's root on", entering.at)?;
    make_mount_points(entering.plan, entering.root)
}

/// Binds the host's devices for a user namespace's container below `places`, as [`external::node`] names them, with the flags
/// that its own have.
///
/// CRIU binds them once more in the user namespace, where the flags that they have from here cannot be changed
/// (mount_namespaces(7)): systemd mounts /dev with strictatime, and what is in the images is relatime.
fn bind_nodes(plan: &Plan, places: &OwnedFd) -> Result<(), StepError> {
    if plan.ids.uids.is_empty() {
        return Ok(());
    }
    let change = Change { clear: attr::ATIME_FIELD, set: attr::RELATIME, ..Change::default() };
    for (number, node) in plan.dev.iter().flat_map(|dev| &dev.nodes).enumerate() {
        let step = "bind for CRIU the device";
        let tree = match mount::clone_tree(AT_FDCWD, &node.path, false) {
            // CRIU says so, if it is in the images.
            Err(Errno::ENOENT) => continue,
            tree => tree.at(step, &node.path)?,
        };
        mount::set_attr(&tree, false, change).at("set the options of", &node.path)?;
        let place = external::node(Path::new(NODES), number);
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let place = openat(places, &place, flags, Mode::S_IRUSR).at(step, &node.path)?;
        mount::attach(&tree, &place).at(step, &node.path)?;
    }
    Ok(())
}

/// A tmpfs with the places in it, mounted on the directory `at`.
fn make_places(at: &Path) -> Result<OwnedFd, Errno> {
    let tmpfs = mount::Filesystem::open(c"tmpfs")?;
    tmpfs.create()?;
    let tmpfs = tmpfs.mount(attr::NOSUID | attr::NODEV | attr::NOEXEC)?;
    for name in [ROOT, CGROUP_YARD, NODES] {
        // A user namespace's root goes through them too.
        mkdirat(&tmpfs, name, Mode::from_bits_truncate(0o711))?;
    }
    let at = open(at, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    mount::attach(&tmpfs, &at)?;
    Ok(tmpfs)
}

/// CRIU mounts on what is there. A container's root may be an older one than that of the checkpoint, or a new one.
fn make_mount_points(plan: &Plan, root: &OwnedFd) -> Result<(), StepError> {
    for external::Point { within, path, source } in external::points(plan) {
        let step = format!("bind {} on", source.display());
        let bound = within.map(|within| mount::clone_tree(AT_FDCWD, within, false)).transpose();
        let bound = bound.at("open, for a mount point in it,", within.unwrap_or(&path))?;
        let base = bound.as_ref().unwrap_or(root);
        if target::existing(base, &path)?.is_some() {
            continue;
        }
        let source = mount::clone_tree(AT_FDCWD, source, false).at(&step, &path)?;
        if external::is_directory(&source).at("inspect", "a bind's source")? {
            target::directory(base, &path)?;
        } else {
            target::file(base, &path)?;
        }
    }
    Ok(())
}
