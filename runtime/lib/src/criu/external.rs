//! Mounts that come from outside the container. They are not in the images: a dump notes their names, a restore is told
//! what is mounted for each. The name is the destination in the configuration, and only the configuration decides what
//! is mounted there; images are never asked.

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use ketch_cgroups::{Layout, Location};
use ketch_sys::mount::attr;
use ketch_sys::{Errno, openat2};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use serde::{Deserialize, Serialize};

use super::protocol::Pair;
use crate::plan::Plan;
use crate::plan::mount::{Mount, Source};
use crate::step::{At, StepError};

/// What covers a masked file.
const NULL: &str = "/dev/null";
/// The name of what is mounted on a container's own null device.
const OWN_NULL: &str = "device:/dev/null";

/// The names of what a container may have from outside, as they are kept in its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Binds, v1 cgroups, and device nodes where those are bound.
    pub mounts: Vec<PathBuf>,
    /// Masked paths: files have the host's null device on them.
    pub masked: Vec<PathBuf>,
}

/// The destinations of all mounts of the plan that may come from outside.
pub(crate) fn names(plan: &Plan, layout: &Layout) -> Names {
    let mut mounts = Vec::new();
    for mount in &plan.mounts {
        match (&mount.source, layout) {
            (Source::Bind { .. }, _) => mounts.push(mount.destination.clone()),
            (Source::Cgroup, Layout::V1 { hierarchies }) => {
                mounts
                    .extend(hierarchies.iter().filter_map(|h| Some(mount.destination.join(h.file_name()?))));
            }
            _ => {}
        }
    }
    // Bound where a user namespace may not make them.
    if !plan.ids.uids.is_empty() {
        mounts.extend(plan.dev.iter().flat_map(|dev| &dev.nodes).map(|node| node.path.clone()));
    }
    Names { mounts, masked: plan.hidden.masked.clone() }
}

/// For a dump: the mount points of those of `names` that init has, by name.
///
/// A mount point is where the name leads in the container, whose symlinks decide on that. A masked directory is covered by
/// a file system of the container's own, which is in the images.
pub(crate) fn mount_points(names: &Names, init: i32) -> Result<Vec<Pair>, StepError> {
    let root = format!("/proc/{init}/root");
    let root = open(root.as_str(), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .at("open", &root)?;
    let mut pairs = Vec::new();
    let mounts = names.mounts.iter().map(|name| (name, false));
    for (name, is_masked) in mounts.chain(names.masked.iter().map(|name| (name, true))) {
        let found = match openat2::open_in_root(&root, name, OFlag::O_PATH) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => continue,
            found => found.at("open in the container", name)?,
        };
        if is_masked && is_directory(&found).at("inspect", name)? {
            continue;
        }
        let link = format!("/proc/self/fd/{}", found.as_raw_fd());
        let point = std::fs::read_link(&link).at("read", &link)?;
        // As in runc, masks are all of one name: images of either can be restored by the other.
        pairs.push(pair(&point, if is_masked { Path::new(NULL) } else { name_of(name) }));
    }
    Ok(pairs)
}

/// What a mount on `destination` is called that is no mask.
fn name_of(destination: &Path) -> &Path {
    if destination == Path::new(NULL) { Path::new(OWN_NULL) } else { destination }
}

/// Where in `directory` a restore finds the device that has this place in the plan.
pub(crate) fn node(directory: &Path, number: usize) -> PathBuf {
    directory.join(number.to_string())
}

/// For a restore: what is mounted for each name. `location` is where the container's cgroups are now, and `nodes` where its
/// devices are bound.
pub(crate) fn sources(plan: &Plan, layout: &Layout, location: &Location, nodes: &Path) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for mount in &plan.mounts {
        match (&mount.source, layout) {
            (Source::Bind { path, .. }, _) => pairs.push(pair(name_of(&mount.destination), path)),
            (Source::Cgroup, Layout::V1 { hierarchies }) => {
                for hierarchy in hierarchies {
                    let own = location.paths.iter().find(|path| path.starts_with(hierarchy));
                    if let (Some(own), Some(name)) = (own, hierarchy.file_name()) {
                        pairs.push(pair(&mount.destination.join(name), own));
                    }
                }
            }
            _ => {}
        }
    }
    pairs.push(pair(Path::new(NULL), Path::new(NULL)));
    if !plan.ids.uids.is_empty() {
        let devices = plan.dev.iter().flat_map(|dev| &dev.nodes).enumerate();
        pairs.extend(devices.map(|(number, device)| pair(name_of(&device.path), &node(nodes, number))));
    }
    pairs
}

/// A mount point that must be there before CRIU mounts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Point<'a> {
    /// The source of the bind that it is in; None: the container's root.
    pub(crate) within: Option<&'a Path>,
    /// In there, absolute.
    pub(crate) path: PathBuf,
    /// What is to be mounted on it.
    pub(crate) source: &'a Path,
}

/// The mount points of binds that are not below a file system of the container's own, whose are in the images. In a read-only
/// bind none can be made.
pub(crate) fn points(plan: &Plan) -> impl Iterator<Item = Point<'_>> {
    plan.mounts.iter().enumerate().filter_map(|(index, mount)| {
        let Source::Bind { path: source, .. } = &mount.source else { return None };
        let below = |other: &&Mount| {
            other.source != Source::Remount
                && other.destination != mount.destination
                && mount.destination.starts_with(&other.destination)
        };
        let (within, path) = match plan.mounts[..index].iter().rfind(below) {
            None => (None, mount.destination.clone()),
            Some(Mount { source: Source::Bind { path, .. }, destination, change, recursive, .. })
                if (change.set | recursive.set) & attr::RDONLY == 0 =>
            {
                (Some(&**path), Path::new("/").join(mount.destination.strip_prefix(destination).ok()?))
            }
            Some(_) => return None,
        };
        Some(Point { within, path, source })
    })
}

pub(crate) fn is_directory(fd: impl AsFd) -> Result<bool, Errno> {
    Ok(SFlag::from_bits_truncate(fstat(fd)?.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}

fn pair(key: &Path, value: &Path) -> Pair {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Pair { key: text(key), value: text(value) }
}
