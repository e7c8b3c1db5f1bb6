//! A tree is removed, however deep it is.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, Whence, lseek, unlinkat};

use super::{TreeError, entries, is_mount, subdirectory};

/// Directories below this are first moved to the top: the depth of descriptors and of the stack is ours to choose.
const DEEP: usize = 32;

/// Removes `path` and all below it; a missing one is no error. A mount in it is one (EXDEV): it is not ours.
///
/// Nobody else may be at work in the tree.
pub(crate) fn remove(path: &Path) -> Result<(), TreeError> {
    let name = CString::new(path.as_os_str().as_encoded_bytes()).expect("paths of ours have no NUL");
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let top = match open(path, flags, Mode::empty()) {
        Ok(top) => top,
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(TreeError::at("open", &name)(errno)),
    };
    let mut removal = Removal { top, moved: 0, foreign: false };
    // What was too deep is at the top now; each round has less left.
    loop {
        let before = removal.moved;
        let top = removal.top.try_clone().map_err(|error| {
            TreeError::at("open", &name)(Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        })?;
        // The copy's place in the directory is the original's.
        lseek(&top, 0, Whence::SeekSet).map_err(TreeError::at("list", &name))?;
        removal.empty(top, 0).map_err(|error| error.within(&name))?;
        if removal.moved == before {
            break;
        }
    }
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(TreeError::at("remove", &name)(Errno::from_raw(error.raw_os_error().unwrap_or(0))))
        }
        _ => Ok(()),
    }
}

/// Removes the directory `name` in `dir`, of whatever mount namespace, and all below it; a mount in it is EBUSY.
pub(crate) fn remove_in(dir: BorrowedFd<'_>, name: &CString) -> Result<(), Errno> {
    if is_mount(dir, name)? {
        return Err(Errno::EBUSY);
    }
    let top = subdirectory(dir, name)?;
    let mut removal = Removal { top, moved: 0, foreign: true };
    loop {
        let before = removal.moved;
        let top = subdirectory(dir, name)?;
        removal.empty(top, 0).map_err(|error| error.errno)?;
        if removal.moved == before {
            break;
        }
    }
    gone(unlinkat(dir, name.as_c_str(), UnlinkatFlags::RemoveDir))
}

struct Removal {
    top: OwnedFd,
    /// Directories that were moved to the top, ever.
    moved: usize,
    /// It may be of another mount namespace.
    foreign: bool,
}

impl Removal {
    /// Removes all that is in `dir`.
    fn empty(&mut self, dir: OwnedFd, depth: usize) -> Result<(), TreeError> {
        let (here, list) = entries(dir).map_err(TreeError::at("list", &c".".to_owned()))?;
        for entry in list {
            if self.foreign && is_mount(&here, &entry.name).map_err(TreeError::at("look at", &entry.name))? {
                return Err(TreeError::at("remove", &entry.name)(Errno::EBUSY));
            }
            if entry.directory {
                self.directory(here.as_fd(), &entry.name, depth)?;
            } else {
                gone(unlinkat(&here, entry.name.as_c_str(), UnlinkatFlags::NoRemoveDir))
                    .map_err(TreeError::at("remove", &entry.name))?;
            }
        }
        Ok(())
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &CString, depth: usize) -> Result<(), TreeError> {
        if depth >= DEEP {
            return self.lift(parent, name);
        }
        // Empty ones, which are many, need no look inside.
        match unlinkat(parent, name.as_c_str(), UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
            removed => return gone(removed).map_err(TreeError::at("remove", name)),
        }
        let dir = subdirectory(parent, name).map_err(TreeError::at("open", name))?;
        let before = self.moved;
        self.empty(dir, depth + 1).map_err(|error| error.within(name))?;
        match unlinkat(parent, name.as_c_str(), UnlinkatFlags::RemoveDir) {
            // At the top, what was moved there meanwhile may have gone into this very directory's place: next round.
            Err(Errno::ENOTEMPTY | Errno::EEXIST) if self.moved > before => Ok(()),
            removed => gone(removed).map_err(TreeError::at("remove", name)),
        }
    }

    fn lift(&mut self, parent: BorrowedFd<'_>, name: &CString) -> Result<(), TreeError> {
        loop {
            self.moved += 1;
            let target = format!(".ketch-removed-{}", self.moved);
            match renameat(parent, name.as_c_str(), &self.top, target.as_str()) {
                // The container had a directory of this name itself.
                Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
                moved => return moved.map_err(TreeError::at("move", name)),
            }
        }
    }
}

fn gone(result: nix::Result<()>) -> nix::Result<()> {
    match result {
        Err(Errno::ENOENT) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn removes_what_is_inside_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, outside) = (dir.path().join("tree"), dir.path().join("outside"));
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        fs::write(tree.join("a/f"), "x").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        fs::set_permissions(tree.join("a/b"), fs::Permissions::from_mode(0o000)).unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.join("kept").exists());
        remove(&tree).unwrap();
    }

    #[test]
    fn a_link_in_the_place_of_the_tree_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("kept")).unwrap();
        symlink("kept", dir.path().join("link")).unwrap();
        assert!(remove(&dir.path().join("link")).is_err());
        assert!(dir.path().join("kept").exists());
    }

    /// Deeper than a path can be long, with names in the way of those that the removal itself gives.
    #[test]
    fn any_depth() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::create_dir_all(tree.join(".ketch-removed-1/x")).unwrap();
        fs::write(tree.join(".ketch-removed-2"), "x").unwrap();
        let mut here = open(&tree, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..5000 {
            nix::sys::stat::mkdirat(&here, "d", Mode::S_IRWXU).unwrap();
            here =
                nix::fcntl::openat(&here, "d", OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        }
        remove(&tree).unwrap();
        assert!(!tree.exists());
    }
}
