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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use ketch_sys::xattr;
    use nix::fcntl::{OFlag, openat};
    use nix::sys::stat::{Mode, SFlag, mknod};

    use super::*;

    /// Needs root: it mounts, though nowhere.
    #[test]
    fn joins_layers() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["low", "low/sub", "with:colon", "with:colon/sub", "top", "upper", "work"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("low/gone"), "low").unwrap();
        fs::write(path("low/both"), "low").unwrap();
        fs::write(path("low/sub/hidden"), "low").unwrap();
        fs::write(path("with:colon/both"), "middle").unwrap();
        mknod(&path("with:colon/gone"), SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
        xattr::lset(&path("with:colon/sub"), b"trusted.overlay.opaque", b"y").unwrap();
        fs::write(path("top/top"), "top").unwrap();
        // The lowest comes again on top, as the empty layers of old images do.
        let lowers = [path("low"), path("with:colon"), path("top"), path("low")];

        let root = overlay(&lowers[..3], Some((&path("upper"), &path("work"))), true).unwrap();
        let read = |root: &OwnedFd, name: &str| {
            let file = openat(root, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
            let mut text = String::new();
            fs::File::from(file).read_to_string(&mut text).unwrap();
            Ok::<_, Errno>(text)
        };
        assert_eq!(read(&root, "both"), Ok("middle".to_owned()));
        assert_eq!(read(&root, "top"), Ok("top".to_owned()));
        assert_eq!(read(&root, "gone"), Err(Errno::ENOENT));
        assert_eq!(read(&root, "sub/hidden"), Err(Errno::ENOENT));
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC;
        openat(&root, "new", flags, Mode::S_IRUSR).unwrap();
        assert!(path("upper/new").exists());

        let read_only = overlay(&lowers, None, false).unwrap();
        assert_eq!(read(&read_only, "both"), Ok("low".to_owned()));
        assert_eq!(openat(&read_only, "new", flags, Mode::S_IRUSR).unwrap_err(), Errno::EROFS);
    }
}
