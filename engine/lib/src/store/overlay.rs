//! The root of a container: layers and an upper directory, joined.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ketch_sys::Errno;
use ketch_sys::mount::Filesystem;

/// The root of a container as one detached overlay mount: attached nowhere, gone with its last descriptor.
///
/// `lowers` are lowest first. Without `upper` (upper and work directory, both on one file system and in use by no other
/// mount) it is read-only. `volatile`: nothing of the upper is synced, for containers that do not outlive a crash.
///
/// fsopen(2) with one `lowerdir+` an element (Linux 6.8; before that one `lowerdir` string, in which a colon parts and
/// whose length is bounded).
pub fn overlay(lowers: &[PathBuf], upper: Option<(&Path, &Path)>, volatile: bool) -> Result<OwnedFd, Errno> {
    let overlay = Filesystem::open(c"overlay")?;
    overlay.set_string(c"source", c"ketch")?;
    let lowers = highest_first(lowers);
    match lowers.iter().try_for_each(|lower| overlay.set_string(c"lowerdir+", &text(lower)?)) {
        Err(Errno::EINVAL) => overlay.set_string(c"lowerdir", &joined(&lowers)?)?,
        result => result?,
    }
    match upper {
        Some((upper, work)) => {
            overlay.set_string(c"upperdir", &text(upper)?)?;
            overlay.set_string(c"workdir", &text(work)?)?;
            if volatile {
                overlay.set_flag(c"volatile")?;
            }
        }
        None => overlay.set_flag(c"ro")?,
    }
    // What a layer brings along must not redirect a lookup: the kernel's defaults may be built otherwise.
    overlay.set_string(c"redirect_dir", c"nofollow")?;
    overlay.set_string(c"metacopy", c"off")?;
    overlay.set_string(c"index", c"off")?;
    overlay.create()?;
    overlay.mount(0)
}

/// As overlayfs counts. A directory that comes twice is taken at its highest place, where it hides the lower one anyhow;
/// the kernel refuses it twice (ELOOP).
fn highest_first(lowers: &[PathBuf]) -> Vec<&Path> {
    let mut seen: Vec<&Path> = Vec::new();
    for lower in lowers.iter().rev() {
        if !seen.contains(&lower.as_path()) {
            seen.push(lower);
        }
    }
    seen
}

fn text(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

fn joined(paths: &[&Path]) -> Result<CString, Errno> {
    let mut text = Vec::new();
    for path in paths {
        if !text.is_empty() {
            text.push(b':');
        }
        for &byte in path.as_os_str().as_bytes() {
            if matches!(byte, b':' | b'\\') {
                text.push(b'\\');
            }
            text.push(byte);
        }
    }
    CString::new(text).map_err(|_| Errno::EINVAL)
}
