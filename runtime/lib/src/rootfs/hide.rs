//! Masked and read-only paths.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_sys::Errno;
use ketch_sys::mount::{self, Change, attr};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat, makedev};

use super::target;
use crate::plan::hidden::Hidden;
use crate::step::{At, StepError};

/// Covers the masked paths below `root` and makes the read-only ones read-only. Runs while the host's `/dev/null` is in
/// sight: the container's own could be a symlink by now (CVE-2025-31133).
pub(crate) fn hide(root: impl AsFd, hidden: &Hidden) -> Result<(), StepError> {
    let mut cover = Cover::default();
    for path in &hidden.masked {
        if let Some(target) = target::existing(&root, path)? {
            cover.mask(&target, path)?;
        }
    }
    for path in &hidden.read_only {
        if let Some(target) = target::existing(&root, path)? {
            protect(&target, path)?;
        }
    }
    Ok(())
}

/// What masked paths are covered with, made when first needed.
#[derive(Default)]
struct Cover {
    null: Option<OwnedFd>,
    /// An empty read-only directory: a mount that is attached already, to be cloned for the next.
    empty: Option<OwnedFd>,
}

impl Cover {
    fn mask(&mut self, target: &OwnedFd, path: &Path) -> Result<(), StepError> {
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
        }
        Ok(())
    }
}

/// The host's `/dev/null`, and nothing that only has its name.
fn host_null() -> Result<OwnedFd, StepError> {
    const NULL: &str = "/dev/null";
    let null =
        open(NULL, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()).at("open", NULL)?;
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

/// Binds what `target` is open on, and all mounts in it, read-only on itself.
fn protect(target: &OwnedFd, path: &Path) -> Result<(), StepError> {
    let step = "make read-only";
    let tree = mount::clone_tree(target, c"", true).at(step, path)?;
    mount::set_attr(&tree, true, Change { set: attr::RDONLY, ..Change::default() }).at(step, path)?;
    mount::attach(&tree, target).at(step, path)
}

/// Makes the root itself read-only; mounts below keep their own flags.
pub(crate) fn protect_root(root: impl AsFd) -> Result<(), StepError> {
    let read_only = Change { set: attr::RDONLY, ..Change::default() };
    mount::set_attr(root, false, read_only).at("make read-only", "the container's root")
}
