//! The root of a container: layers and an upper directory, joined.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The root of a container as one detached overlay mount: attached nowhere, gone with its last descriptor.
///
/// `lowers` are lowest first. Without `upper` it is read-only. fsopen(2) with one `lowerdir+` an element (Linux 6.8;
/// before that one `lowerdir` string).
pub fn overlay(
    _lowers: &[PathBuf],
    _upper: Option<(&Path, &Path)>,
    _volatile: bool,
) -> Result<OwnedFd, ketch_sys::Errno> {
    todo!()
}
