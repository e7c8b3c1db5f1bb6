//! Whole directory trees, by descriptor: no name is resolved twice, no symlink is followed, no mount is crossed.

mod copy;
mod own;
mod remove;

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use ketch_sys::openat2;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstatat};

pub(crate) use copy::copy;
pub(crate) use own::own;
pub(crate) use remove::remove;

/// What failed in a tree: the step, and the path below the tree's top.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {path}: {}", .errno.desc().to_lowercase())]
pub struct TreeError {
    step: &'static str,
    path: String,
    errno: Errno,
}

impl TreeError {
    pub(crate) fn new(step: &'static str, path: &str, errno: Errno) -> TreeError {
        TreeError { step, path: path.to_owned(), errno }
    }

    fn at(step: &'static str, name: &CString) -> impl FnOnce(Errno) -> TreeError {
        move |errno| TreeError { step, path: name.to_string_lossy().into_owned(), errno }
    }

    /// Puts the directory that the error came out of before its path.
    fn within(mut self, name: &CString) -> TreeError {
        self.path = format!("{}/{}", name.to_string_lossy(), self.path);
        self
    }
}

/// Trees deeper than this come from somebody who means harm: each level holds a descriptor.
pub(crate) const DEEPEST: usize = 256;

/// One name in a directory.
pub(crate) struct Entry {
    pub(crate) name: CString,
    pub(crate) directory: bool,
}

/// All names in `dir`, read before any of them is changed; and `dir` again.
pub(crate) fn entries(dir: OwnedFd) -> nix::Result<(Dir, Vec<Entry>)> {
    let mut list = Vec::new();
    let mut stream = Dir::from_fd(dir)?;
    let mut unknown = Vec::new();
    for entry in stream.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        // Not every file system says.
        if entry.file_type().is_none() {
            unknown.push(list.len());
        }
        let directory = entry.file_type() == Some(Type::Directory);
        list.push(Entry { name: name.to_owned(), directory });
    }
    for index in unknown {
        list[index].directory = is_directory(&stream, &list[index].name)?;
    }
    Ok((stream, list))
}

fn is_directory(dir: impl AsFd, name: &std::ffi::CStr) -> nix::Result<bool> {
    let stat = fstatat(dir, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}

pub(crate) fn subdirectory(dir: impl AsFd, name: &CString) -> nix::Result<OwnedFd> {
    openat2::open_beneath(dir, name.as_c_str(), OFlag::O_RDONLY | OFlag::O_DIRECTORY)
}
