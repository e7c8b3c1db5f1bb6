//! A `cgroup` mount: the container's own cgroups, in the host's layout.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_cgroups::Layout;
use ketch_sys::mount::{self, attr};
use ketch_sys::{Errno, file};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::symlinkat;

use super::target;
use crate::init::cgroup::Cgroups;
use crate::plan::mount::{Filesystem, Mount, Parameter};
use crate::step::{At, StepError};

pub(super) fn mount(root: impl AsFd, mount: &Mount, cgroups: &mut Cgroups<'_>) -> Result<(), StepError> {
    let layout = cgroups.layout;
    match layout {
        Layout::V2 => mount_v2(root, mount, cgroups),
        Layout::V1 { hierarchies } => {
            let location = cgroups.join()?;
            let own = |hierarchy: &Path| location.paths.iter().find(|path| path.starts_with(hierarchy));
            mount_v1(root, mount, hierarchies.iter().filter_map(|h| Some((h.as_path(), own(h)?.as_path()))))
        }
    }
}

/// With a cgroup namespace what is mounted starts at the container's cgroup. Without one it is the host's whole tree, as
/// in runc; that is bound, as a mount of it from the host's namespace would set the host's mount options anew.
fn mount_v2(root: impl AsFd, mount: &Mount, cgroups: &mut Cgroups<'_>) -> Result<(), StepError> {
    let destination = &mount.destination;
    let target = target::directory(root, destination)?;
    let namespace = cgroups.namespace;
    let own = cgroups.join()?.paths.first().filter(|_| namespace);
    let bind = |path: &Path| -> Result<OwnedFd, StepError> {
        let tree = mount::clone_tree(AT_FDCWD, path, false).at("bind cgroups on", destination)?;
        mount::set_attr(&tree, false, mount.change).at("set the options of", destination)?;
        Ok(tree)
    };
    let made = match own {
        None => bind(Path::new(ketch_cgroups::ROOT))?,
        Some(own) => {
            let source = Some(c"cgroup".to_owned());
            let filesystem = Filesystem { kind: c"cgroup2".to_owned(), source, parameters: Vec::new() };
            match super::mount::make(&filesystem, mount.change.set, destination) {
                // A user namespace that does not own the cgroup namespace may not mount it.
                Err(error) if matches!(error.errno, Errno::EPERM | Errno::EBUSY) => bind(own)?,
                made => made?,
            }
        }
    };
    mount::attach(&made, &target).at("mount cgroup2 on", destination)
}

/// A tmpfs with a directory a hierarchy, on each the container's cgroup of it. A bind shows what a mount inside a cgroup
/// namespace would: the kernel prints paths from the viewer's cgroup on.
fn mount_v1<'a>(
    root: impl AsFd,
    mount: &Mount,
    hierarchies: impl Iterator<Item = (&'a Path, &'a Path)>,
) -> Result<(), StepError> {
    let destination = &mount.destination;
    let filesystem = Filesystem {
        kind: c"tmpfs".to_owned(),
        source: Some(c"tmpfs".to_owned()),
        parameters: vec![Parameter { key: c"mode".to_owned(), value: Some(c"755".to_owned()) }],
    };
    let target = target::directory(root, destination)?;
    let tmpfs = super::mount::make(&filesystem, mount.change.set & !attr::RDONLY, destination)?;
    mount::attach(&tmpfs, &target).at("mount tmpfs on", destination)?;

    let mut done = Vec::new();
    for (hierarchy, own) in hierarchies {
        let Some(name) = hierarchy.file_name() else { continue };
        let step = format!("bind {} on", own.display());
        mkdirat(&tmpfs, name, Mode::from_bits_truncate(0o755)).at(&step, destination)?;
        let tree = mount::clone_tree(AT_FDCWD, own, false).at(&step, destination)?;
        mount::attach_at(&tree, &tmpfs, name).at(&step, destination)?;
        done.push(tree);
        // Hierarchies mounted together are found under each controller's name: cpu → cpu,cpuacct.
        let name = name.to_string_lossy();
        for controller in name.split(',').filter(|controller| *controller != name) {
            symlinkat(&*name, &tmpfs, controller).at("link", destination)?;
        }
    }
    // Together, so with few calls.
    file::close_all(done);
    // Nothing is mounted below the hierarchies, so this reaches just them and the tmpfs.
    mount::set_attr(&tmpfs, true, mount.change).at("set the options of", destination)
}
