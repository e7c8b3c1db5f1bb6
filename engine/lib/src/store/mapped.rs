//! The root of a container in a user namespace of its own.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use ketch_sys::mount::{attach_followed, clone_tree, set_idmap};
use ketch_sys::{Errno, mount};
use nix::fcntl::AT_FDCWD;
use nix::sched::{CloneFlags, unshare};

use super::overlay;
use crate::tree::Away;
use crate::userns::{Acting, Users};

/// As [`overlay()`], with the container's ids on disk and those of its user namespace in the mount: overlayfs on id-mapped
/// layers (Linux 5.19), the upper one too. `upper` and `work` are in the directory `dir`.
///
/// A layer that is a mount must be attached somewhere before Linux 6.15: each is, in its own place, in a mount namespace that
/// exists only in here. The calling process must have one thread.
pub(crate) fn mapped_overlay(
    lowers: &[PathBuf],
    dir: &Path,
    volatile: bool,
    users: &Users,
) -> Result<OwnedFd, Errno> {
    let away = Away::go(|| unshare(CloneFlags::CLONE_NEWNS))?;
    let made = (|| {
        let private =
            mount::Change { propagation: Some(mount::Propagation::Private), ..mount::Change::default() };
        mount::set_attr_at(c"/", true, private)?;
        let mut mapped: Vec<&Path> = Vec::new();
        for path in lowers.iter().map(PathBuf::as_path).chain([dir]) {
            // An image may have a layer twice.
            if mapped.contains(&path) {
                continue;
            }
            let tree = clone_tree(AT_FDCWD, path, false)?;
            set_idmap(&tree, false, &users.namespace)?;
            attach_followed(&tree, path)?;
            mapped.push(path);
        }
        // Whose rights overlayfs uses from now on, for what it makes besides: whiteouts and its work directory.
        let _acting = Acting::root_of(&users.maps)?;
        overlay(lowers, Some((&dir.join("upper"), &dir.join("work"))), volatile)
    })();
    away.back()?;
    made
}
