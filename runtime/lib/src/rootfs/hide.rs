//! Masked and read-only paths.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_sys::mount::{self, Change, attr};
use ketch_sys::{Errno, file};
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat, makedev};

use super::target;
use crate::plan::hidden::Hidden;
use crate::step::{At, StepError};

/// Covers the masked paths below `root` and makes the read-only ones read-only. Runs while the host's `/dev/null` is in
/// sight: the container's own could be a symlink by now (CVE-2025-31133).
pub(crate) fn hide(root: impl AsFd, hidden: &Hidden) -> Result<(), StepError> {
    let mut cover = Cover::default();
    // Closed together, so with few calls.
    let mut done = Vec::new();
    for path in &hidden.masked {
        if let Some(target) = target::existing(&root, path)? {
            done.extend(cover.mask(&target, path)?);
            done.push(target);
        }
        limit(&mut done);
    }
    for path in &hidden.read_only {
        if let Some(target) = target::existing(&root, path)? {
            done.push(protect(&target, path)?);
            done.push(target);
        }
        limit(&mut done);
    }
    file::close_all(done);
    Ok(())
}

/// Descriptors are a process's to use up, and a configuration can have any number of paths.
fn limit(done: &mut Vec<OwnedFd>) {
    if done.len() >= 64 {
        file::close_all(std::mem::take(done));
    }
}

/// What masked paths are covered with, made when first needed.
#[derive(Default)]
struct Cover {
    null: Option<OwnedFd>,
    /// An empty read-only directory: a mount that is attached already, to be cloned for the next.
    empty: Option<OwnedFd>,
}

impl Cover {
    /// What comes back, if anything, is the cover, and has done its service.
    fn mask(&mut self, target: &OwnedFd, path: &Path) -> Result<Option<OwnedFd>, StepError> {
        let stat = fstat(target).at("inspect", path)?;
        let is_dir = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR;
        let cover = match (is_dir, &self.empty) {
            (false, _) => {
                let null = match &self.null {
                    Some(null) => null,
                    None => self.null.insert(host_null()?),
                };
                mount::clone_tree(null, c"", false)
            }
            (true, Some(empty)) => mount::clone_tree(empty, c"", false),
            (true, None) => empty_directory(),
        };
        let cover = cover.at("make a cover for", path)?;
        mount::attach(&cover, target).at("mask", path)?;
        if is_dir && self.empty.is_none() {
            self.empty = Some(cover);
            return Ok(None);
        }
        Ok(Some(cover))
    }
}

/// The host's `/dev/null`, and nothing that only has its name.
fn host_null() -> Result<OwnedFd, StepError> {
    const NULL: &str = "/dev/null";
    let null = file::open(NULL, OFlag::O_PATH | OFlag::O_NOFOLLOW).at("open", NULL)?;
    let stat = fstat(&null).at("inspect", NULL)?;
    let is_char = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
    if is_char && stat.st_rdev == makedev(1, 3) {
        Ok(null)
    } else {
        Err(Errno::ENODEV).at("use as null device", NULL)
    }
}

fn empty_directory() -> Result<OwnedFd, Errno> {
    let tmpfs = mount::Filesystem::open(c"tmpfs")?;
    tmpfs.set_flag(c"ro")?;
    tmpfs.create()?;
    tmpfs.mount(attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC)
}

/// Binds what `target` is open on, and all mounts in it, read-only on itself; what comes back is open on that.
fn protect(target: &OwnedFd, path: &Path) -> Result<OwnedFd, StepError> {
    let step = "make read-only";
    let read_only = Change { set: attr::RDONLY, ..Change::default() };
    let tree = mount::clone_tree_with(target, c"", true, read_only).at(step, path)?;
    mount::attach(&tree, target).at(step, path)?;
    Ok(tree)
}

/// Makes the root itself read-only; mounts below keep their own flags.
pub(crate) fn protect_root(root: impl AsFd) -> Result<(), StepError> {
    let read_only = Change { set: attr::RDONLY, ..Change::default() };
    mount::set_attr(root, false, read_only).at("make read-only", "the container's root")
}
