//! The root of a container: layers and an upper directory, joined.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ketch_sys::Errno;
use ketch_sys::mount::{Filesystem, clone_tree};
use nix::fcntl::{AT_FDCWD, OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::sys::utsname::uname;
use nix::unistd::{chdir, fchdir};

use super::layers::layer_dir;
use crate::Paths;

/// The root of a container as one detached overlay mount: attached nowhere, gone with its last descriptor.
///
/// `lowers` are lowest first. Without `upper` (upper and work directory, both on one file system and in use by no other
/// mount) it is read-only. `volatile`: nothing of the upper is synced, for containers that do not outlive a crash.
///
/// fsopen(2) with one `lowerdir+` an element (Linux 6.8; before that see [`Joined`]).
pub fn overlay(lowers: &[PathBuf], upper: Option<(&Path, &Path)>, volatile: bool) -> Result<OwnedFd, Errno> {
    let lowers = highest_first(lowers);
    let each = |overlay: &Filesystem| {
        lowers.iter().try_for_each(|lower| overlay.set_string(c"lowerdir+", &text(lower)?))
    };
    match uname() {
        // Asked to, an older overlayfs would fail as well, and complain to the kernel's log each time.
        Ok(system) if version(system.release().as_encoded_bytes()) < (6, 8) => {
            make_joined(&lowers, upper, volatile)
        }
        _ => make(each, upper, volatile),
    }
}

/// The layers with these diff ids, lowest first, read-only as one detached mount. `empty` is an empty directory: overlayfs takes
/// no less than two layers.
pub(crate) fn overlay_of(paths: &Paths, layers: &[String], empty: &Path) -> Result<OwnedFd, Errno> {
    let lowers = layers.iter().map(|layer| layer_dir(paths, layer)).chain([empty.to_owned()]);
    match lowers.collect::<Vec<PathBuf>>().as_slice() {
        [only] => clone_tree(AT_FDCWD, only, false),
        several => overlay(several, None, false),
    }
}

/// The root of the same, open for reading, which a mount's own descriptor is not.
pub(crate) fn merged(paths: &Paths, layers: &[String], empty: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(overlay_of(paths, layers, empty)?, c".", flags, Mode::empty())
}

/// `6.1.0-56-cloud-amd64` → (6, 1).
fn version(release: &[u8]) -> (u32, u32) {
    let mut numbers = release
        .split(|byte| !byte.is_ascii_digit())
        .map(|digits| std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The same with one `lowerdir` for all.
fn make_joined(lowers: &[&Path], upper: Option<(&Path, &Path)>, volatile: bool) -> Result<OwnedFd, Errno> {
    let joined = Joined::open(lowers)?;
    make(|overlay| overlay.set_string(c"lowerdir", &joined.text), upper, volatile)
}

fn make(
    set_lowers: impl Fn(&Filesystem) -> Result<(), Errno>,
    upper: Option<(&Path, &Path)>,
    volatile: bool,
) -> Result<OwnedFd, Errno> {
    let overlay = Filesystem::open(c"overlay")?;
    overlay.set_string(c"source", c"ketch")?;
    set_lowers(&overlay)?;
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
    if !ketch_sys::ns::in_first_user()? {
        // Where nobody has a right to `trusted.overlay.*`.
        overlay.set_flag(c"userxattr")?;
    }
    overlay.create()?;
    overlay.mount(0)
}

/// All lower directories in one `lowerdir`, where fsconfig(2) takes 255 bytes: a path of a layer has about 90. So they are
/// named by descriptor, from /proc/self/fd as the working directory: `7:8:9`. Some 60 layers fit.
struct Joined {
    text: CString,
    /// The caller's working directory, which it gets back on drop.
    here: OwnedFd,
    _lowers: Vec<OwnedFd>,
}

impl Joined {
    fn open(lowers: &[&Path]) -> Result<Joined, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let open = |path: &Path| open(path, flags, Mode::empty());
        let here = open(Path::new("."))?;
        let lowers = lowers.iter().map(|lower| open(lower)).collect::<Result<Vec<OwnedFd>, Errno>>()?;
        let numbers: Vec<String> = lowers.iter().map(|lower| lower.as_raw_fd().to_string()).collect();
        let text = CString::new(numbers.join(":")).map_err(|_| Errno::EINVAL)?;
        chdir("/proc/self/fd")?;
        Ok(Joined { text, here, _lowers: lowers })
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // It was the working directory a moment ago, and is open.
        let _ = fchdir(&self.here);
    }
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use ketch_sys::xattr;
    use nix::sys::stat::{SFlag, mknod};

    use super::*;

    #[test]
    fn kernel_versions() {
        for (release, expected) in [
            ("6.1.0-56-cloud-amd64", (6, 1)),
            ("6.18.44-fc-v669", (6, 18)),
            ("5.10", (5, 10)),
            ("7.0-rc1", (7, 0)),
            ("", (0, 0)),
        ] {
            assert_eq!(version(release.as_bytes()), expected, "{release}");
        }
    }

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

        // As before Linux 6.8.
        let here = std::env::current_dir().unwrap();
        let older = make_joined(&highest_first(&lowers[..3]), None, false).unwrap();
        assert_eq!(read(&older, "both"), Ok("middle".to_owned()));
        assert_eq!(read(&older, "sub/hidden"), Err(Errno::ENOENT));
        assert_eq!(std::env::current_dir().unwrap(), here);

        let read_only = overlay(&lowers, None, false).unwrap();
        assert_eq!(read(&read_only, "both"), Ok("low".to_owned()));
        assert_eq!(openat(&read_only, "new", flags, Mode::S_IRUSR).unwrap_err(), Errno::EROFS);
    }
}
