//! One entry of `mounts`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_sys::mount::{self, Change, Propagation, attr};
use ketch_sys::{Errno, xattr};
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::symlinkat;

use super::{Opened, copy_up, idmap, target};
use crate::plan::mount::{Filesystem, Mount, Parameter, Source};
use crate::step::{At, StepError};

/// Carries out one entry, which is none of cgroups.
pub(crate) fn one(root: impl AsFd, entry: &Mount, opened: Opened) -> Result<(), StepError> {
    match &entry.source {
        Source::Bind { path, recursive } => bind(root, entry, path, *recursive, opened.tree),
        Source::New(filesystem) => new(root, entry, filesystem, opened.map),
        Source::Remount => remount(root, entry),
        Source::Cgroup => Err(Errno::EINVAL).at("mount cgroups on", &entry.destination),
    }
}

/// Binds `path` on the mount's destination. `opened` is the source where it had to be opened outside.
fn bind(
    root: impl AsFd,
    mount: &Mount,
    path: &Path,
    recursive: bool,
    opened: Option<OwnedFd>,
) -> Result<(), StepError> {
    let step = format!("bind {} on", path.display());
    let destination = &mount.destination;
    let tree = match opened {
        Some(tree) => tree,
        None => clone_source(mount, path, recursive)?,
    };
    let kind = SFlag::from_bits_truncate(fstat(&tree).at("inspect", path)?.st_mode) & SFlag::S_IFMT;
    if mount.symlinks.copy_source && kind == SFlag::S_IFLNK {
        return copy_symlink(root, &tree, destination);
    }

    // A bind keeps its source's flags, so ours are set while the clone is detached and nobody can see it without them.
    change(&tree, mount).at(&format!("set the options of {} on", path.display()), destination)?;

    let covered = match mount.symlinks.cover_destination {
        true => target::unfollowed(&root, destination)?,
        false => None,
    };
    let target = match covered {
        Some(target) => target,
        None if kind == SFlag::S_IFDIR => target::directory(root, destination)?,
        None => target::file(root, destination)?,
    };
    mount::attach(&tree, &target).at(&step, destination)
}

/// A detached clone of the source of a bind.
pub(super) fn clone_source(mount: &Mount, path: &Path, recursive: bool) -> Result<OwnedFd, StepError> {
    let itself = mount.symlinks.bind_source || mount.symlinks.copy_source;
    let tree = match itself {
        true => mount::clone_tree_nofollow(AT_FDCWD, path, recursive),
        false => mount::clone_tree(AT_FDCWD, path, recursive),
    };
    tree.at(&format!("bind {} on", path.display()), &mount.destination)
}

/// Makes the symlink that `tree` is open on anew at `destination`, where the same one may be already.
fn copy_symlink(root: impl AsFd, tree: &OwnedFd, destination: &Path) -> Result<(), StepError> {
    let step = "copy a symlink to";
    let link = readlinkat(tree, c"").at(step, destination)?;
    let (Some(parent), Some(name)) = (destination.parent(), destination.file_name()) else {
        return Err(Errno::EINVAL).at(step, destination);
    };
    let parent = target::directory(root, parent)?;
    match symlinkat(&*link, &parent, name) {
        Err(Errno::EEXIST) if readlinkat(&parent, name).is_ok_and(|there| there == link) => Ok(()),
        made => made.at(step, destination),
    }
}

/// Mounts a new file system on the mount's destination. `map` is a user namespace with the maps of its ids.
fn new(
    root: impl AsFd,
    mount: &Mount,
    filesystem: &Filesystem,
    map: Option<OwnedFd>,
) -> Result<(), StepError> {
    let kind = filesystem.kind.to_string_lossy();
    // As in runc and crun, a tmpfs whose mode is not said has that of the directory which it hides, if there is one.
    let has_mode = filesystem.parameters.iter().any(|parameter| &*parameter.key == c"mode");
    let hidden =
        if kind == "tmpfs" && !has_mode { target::existing(&root, &mount.destination)? } else { None };
    // procfs and sysfs are the kernel speaking of itself: a symlink in an image must not put them elsewhere, and
    // something else in their place (CVE-2019-19921).
    let target = match &*kind {
        "proc" | "sysfs" => target::plain_directory(root, &mount.destination, &kind)?,
        _ => target::directory(root, &mount.destination)?,
    };
    let step = format!("mount {kind} on");
    let mut attributes = mount.change.set | mount.recursive.set;
    if is_dev(mount) {
        attributes &= !attr::RDONLY;
    }
    let made = if mount.copy_up || hidden.is_some() {
        // Written to first, whatever it is to be.
        let made = make(filesystem, attributes & !attr::RDONLY, &mount.destination)?;
        if mount.copy_up {
            copy_up::copy(&target, &made).at("copy into the tmpfs on", &mount.destination)?;
        }
        if let Some(hidden) = hidden {
            copy_up::take_mode(hidden, &made).at("set the mode of", &mount.destination)?;
        }
        let finish = Change { set: attributes & attr::RDONLY, ..Change::default() };
        mount::set_attr(&made, false, finish).at("set the options of", &mount.destination)?;
        made
    } else {
        match make(filesystem, attributes, &mount.destination) {
            Err(StepError { errno: Errno::EPERM, .. }) if kind == "sysfs" => hosts_sysfs(mount, attributes)?,
            made => made?,
        }
    };
    if let Some(map) = map {
        idmap::apply(mount, &made, map)?;
    }
    if let Some(label) = &mount.label {
        set_label(&made, label).at("label the mount on", &mount.destination)?;
    }
    set_propagation(&made, mount).at("set the propagation of", &mount.destination)?;
    mount::attach(&made, &target).at(&step, &mount.destination)
}

/// As in crun, the host's own in place of a sysfs that only the owner of the network namespace may mount: sysfs shows that
/// namespace's devices, and here it is the host's. What is mounted below comes along, for nobody may uncover it.
fn hosts_sysfs(mount: &Mount, attributes: u64) -> Result<OwnedFd, StepError> {
    let step = "bind the host's /sys on";
    let tree = mount::clone_tree(AT_FDCWD, c"/sys", true).at(step, &mount.destination)?;
    let change = Change { set: attributes, propagation: Some(Propagation::Slave), ..Change::default() };
    mount::set_attr(&tree, true, change).at("set the options of the host's /sys on", &mount.destination)?;
    Ok(tree)
}

/// As in runc, a file system that has no labels is left as it is.
fn set_label(made: &OwnedFd, label: &str) -> Result<(), Errno> {
    // A detached mount is open as with O_PATH.
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = openat(made, c".", flags, Mode::empty())?;
    match xattr::fset(root.as_fd(), b"security.selinux", label.as_bytes()) {
        Err(Errno::EOPNOTSUPP) => Ok(()),
        result => result,
    }
}

/// A new read-only /dev: it becomes that when all that belongs in it is there, by [`remount`].
pub(super) fn is_dev(mount: &Mount) -> bool {
    let is_new = matches!(mount.source, Source::New(_));
    is_new && mount.destination == Path::new("/dev") && mount.change.set & attr::RDONLY != 0
}

/// Changes the flags of the mount that is at the destination.
pub(super) fn remount(root: impl AsFd, mount: &Mount) -> Result<(), StepError> {
    let target =
        target::existing(root, &mount.destination)?.ok_or(Errno::ENOENT).at("remount", &mount.destination)?;
    change(&target, mount).at("remount", &mount.destination)
}

/// A detached mount of a new file system.
pub(super) fn make(
    filesystem: &Filesystem,
    attributes: u64,
    destination: &Path,
) -> Result<OwnedFd, StepError> {
    let step = format!("mount {} on", filesystem.kind.to_string_lossy());
    let context = mount::Filesystem::open(&filesystem.kind).at(&step, destination)?;
    let fail = |errno: Errno| {
        let mut object = destination.display().to_string();
        if let Some(complaint) = context.complaint() {
            object = format!("{object} ({complaint})");
        }
        StepError { step: step.clone(), object, errno }
    };
    if let Some(source) = &filesystem.source {
        context.set_string(c"source", source).map_err(fail)?;
    }
    for Parameter { key, value } in &filesystem.parameters {
        match value {
            Some(value) => context.set_string(key, value),
            None => context.set_flag(key),
        }
        .map_err(fail)?;
    }
    context.create().map_err(fail)?;
    context.mount(attributes).at(&step, destination)
}

fn change(tree: impl AsFd, mount: &Mount) -> Result<(), Errno> {
    if mount.recursive != Change::default() {
        mount::set_attr(&tree, true, mount.recursive)?;
    }
    if mount.change != Change::default() {
        mount::set_attr(&tree, false, mount.change)?;
    }
    Ok(())
}

fn set_propagation(made: impl AsFd, mount: &Mount) -> Result<(), Errno> {
    match mount.change.propagation.or(mount.recursive.propagation) {
        Some(propagation) => {
            mount::set_attr(made, false, Change { propagation: Some(propagation), ..Change::default() })
        }
        None => Ok(()),
    }
}
