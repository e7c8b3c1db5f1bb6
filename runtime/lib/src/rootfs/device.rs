//! `/dev`: nodes and the links every program expects.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ketch_sys::{Errno, mount};
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat, mknodat};
use nix::unistd::{AccessFlags, Gid, Uid, UnlinkatFlags, access, fchownat, symlinkat, unlinkat};

use super::node::{self, Nodes};
use super::target;
use crate::init::procfs::Procfs;
use crate::plan::device::{Devices, Node};
use crate::step::{At, StepError};

/// runtime-spec, runtime-linux, "Dev symbolic links"; `core` as runc has it, where the kernel has a `/proc/kcore`.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];

/// Fills `/dev` below `root`. The umask must be 0.
pub(super) fn populate(root: impl AsFd, devices: &Devices, nodes: Nodes) -> Result<(), StepError> {
    let dev = target::directory(&root, Path::new("/dev"))?;
    let mut opened = nodes.open(devices)?.into_iter();
    for node in &devices.nodes {
        let opened = opened.next().flatten();
        match (node.path.parent(), node.path.file_name()) {
            (Some(parent), Some(name)) if parent == Path::new("/dev") => {
                make(&root, &dev, name, node, opened)?;
            }
            (Some(parent), Some(name)) => make(&root, target::directory(&root, parent)?, name, node, opened)?,
            _ => return Err(Errno::EINVAL).at("make the device", &node.path),
        }
    }
    let kcore = access("/proc/kcore", AccessFlags::F_OK).is_ok();
    for (name, to) in LINKS.into_iter().filter(|(name, _)| kcore || *name != "core") {
        match symlinkat(to, &dev, name) {
            // An image's own /dev may have it.
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno).at("link", &format!("/dev/{name}")),
        }
    }
    link_ptmx(&dev)
}

fn make(
    root: impl AsFd,
    dir: impl AsFd,
    name: &OsStr,
    node: &Node,
    opened: Option<OwnedFd>,
) -> Result<(), StepError> {
    if let Some(opened) = opened {
        return bind(root, &opened, &node.path);
    }
    match mknodat(&dir, name, node.kind, Mode::from_bits_truncate(node.mode), node.number) {
        Ok(()) => give(&dir, name, node),
        Err(Errno::EEXIST) => keep(&dir, name, node),
        // In a user namespace nobody may make a device; the host's can be bound.
        Err(Errno::EPERM) => bind(root, &node::open_host(node)?, &node.path),
        Err(errno) => Err(errno).at("make the device", &node.path),
    }
}

fn give(dir: impl AsFd, name: &OsStr, node: &Node) -> Result<(), StepError> {
    if (node.uid, node.gid) == (0, 0) {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
    fchownat(dir, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW).at("set the owner of", &node.path)
}

/// A node that is there already must be the one asked for. Opened once: what its name leads to can change, and a symlink in its
/// place would have a file of the host's given its mode.
fn keep(dir: impl AsFd, name: &OsStr, node: &Node) -> Result<(), StepError> {
    let path_only = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let found = openat(&dir, name, path_only, Mode::empty()).at("open the device", &node.path)?;
    let stat = fstat(&found).at("inspect the device", &node.path)?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != node.kind || stat.st_rdev != node.number {
        return Err(Errno::EEXIST).at("make the device", &node.path);
    }
    if (stat.st_uid, stat.st_gid) != (node.uid, node.gid) {
        let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
        fchownat(&found, c"", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH)
            .at("set the owner of", &node.path)?;
    }
    if stat.st_mode & 0o7777 != node.mode {
        let mode = Mode::from_bits_truncate(node.mode);
        Procfs::open()?.set_mode(&found, mode).at("set the mode of", &node.path)?;
    }
    Ok(())
}

fn bind(root: impl AsFd, node: &OwnedFd, path: &PathBuf) -> Result<(), StepError> {
    let target = target::file(root, path)?;
    mount::attach(node, &target).at("bind the device on", path)
}

/// `/dev/ptmx` must be the one of the container's devpts; an image's own node would open the host's.
fn link_ptmx(dev: impl AsFd) -> Result<(), StepError> {
    let link = || symlinkat("pts/ptmx", &dev, "ptmx");
    match link() {
        Err(Errno::EEXIST) => {
            unlinkat(&dev, "ptmx", UnlinkatFlags::NoRemoveDir).at("remove", "/dev/ptmx")?;
            link()
        }
        result => result,
    }
    .at("link", "/dev/ptmx")
}
