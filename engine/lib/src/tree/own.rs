//! A tree is given to a user: `-v …:U`.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, fchown, fchownat};

use super::{DEEPEST, TreeError, entries, subdirectory};

/// Gives `path` and all below it to a user and group; symlinks themselves, not what they point to.
pub(crate) fn own(path: &Path, uid: u32, gid: u32) -> Result<(), TreeError> {
    let name = CString::new(path.as_os_str().as_encoded_bytes()).expect("a path that was opened has no NUL");
    let owner = (Uid::from_raw(uid), Gid::from_raw(gid));
    let top = open(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(TreeError::at("open", &name))?;
    fchown(&top, Some(owner.0), Some(owner.1)).map_err(TreeError::at("change the owner of", &name))?;
    if path.is_dir() { below(top, owner, 0).map_err(|error| error.within(&name)) } else { Ok(()) }
}

fn below(dir: OwnedFd, owner: (Uid, Gid), depth: usize) -> Result<(), TreeError> {
    let (dir, entries) = entries(dir).map_err(TreeError::at("list", &c".".to_owned()))?;
    let dir = dir.as_fd();
    for entry in entries {
        let name = &entry.name;
        fchownat(dir, name.as_c_str(), Some(owner.0), Some(owner.1), AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(TreeError::at("change the owner of", name))?;
        if entry.directory {
            if depth >= DEEPEST {
                return Err(TreeError::at("go into", name)(nix::errno::Errno::ELOOP));
            }
            let sub = subdirectory(dir, name).map_err(TreeError::at("open", name))?;
            below(sub, owner, depth + 1).map_err(|error| error.within(name))?;
        }
    }
    Ok(())
}
