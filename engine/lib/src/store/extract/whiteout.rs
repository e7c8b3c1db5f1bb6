//! Whiteouts: OCI's names (image-spec, layer.md, "Whiteouts") become overlayfs's devices and attributes.

use std::os::fd::BorrowedFd;

use ketch_sys::Errno;
use nix::sys::stat::{Mode, SFlag, mknodat};

use super::ExtractError;
use super::name::Name;
use super::tree::Tree;

/// Applies `.wh.<hidden>`, whose full name is `name`. A whiteout hides what lower layers have, never what this layer
/// has, whichever comes first in the archive.
pub(super) fn apply(tree: &mut Tree, name: &Name, hidden: &[u8]) -> Result<(), ExtractError> {
    match hidden {
        b".wh..opq" => make_opaque(tree.parent(name)?).map_err(|errno| name.error("make opaque", errno)),
        // `.wh..wh.plnk`, `.wh..wh.aufs` and the like: what aufs kept for itself.
        hidden if hidden.starts_with(b".wh.") => Ok(()),
        b"" | b"." | b".." => Err(ExtractError::Whiteout { path: name.to_string() }),
        hidden => hide(tree, &name.sibling(hidden)),
    }
}

fn hide(tree: &mut Tree, name: &Name) -> Result<(), ExtractError> {
    match mknodat(tree.parent(name)?, name.base(), SFlag::S_IFCHR, Mode::empty(), 0) {
        Ok(()) => Ok(()),
        Err(Errno::EEXIST) if tree.stat(name)?.is_directory() => {
            make_opaque(tree.directory(name)?).map_err(|errno| name.error("make opaque", errno))
        }
        // Anything else of the same name hides the lower one by being there.
        Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(name.error("create", errno)),
    }
}

/// Hides all that lower layers have in `dir`: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
pub(super) fn make_opaque(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    match ketch_sys::xattr::fset(dir, b"trusted.overlay.opaque", b"y") {
        // In a user namespace, where the overlay reads this name: its option `userxattr`.
        Err(Errno::EPERM) => ketch_sys::xattr::fset(dir, b"user.overlay.opaque", b"y"),
        made => made,
    }
}
