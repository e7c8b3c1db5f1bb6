//! cgroup files: a few bytes, one read or write each.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use ketch_sys::file as sys;
use nix::fcntl::OFlag;

use crate::Error;

/// Writes `value` with one write(2): the kernel takes each write as one command.
///
/// The file is not created, so a missing one is ENOENT and not the EACCES that cgroupfs gives to O_CREAT.
pub(crate) fn write(path: &Path, value: &str) -> Result<(), Error> {
    try_write(path, value).map_err(|source| Error::Write {
        value: value.to_owned(),
        path: path.to_owned(),
        hint: String::new(),
        source,
    })
}

pub(crate) fn try_write(path: &Path, value: &str) -> io::Result<()> {
    File::from(open(path, OFlag::O_WRONLY)?).write_all(value.as_bytes())
}

pub(crate) fn for_writing(path: &Path) -> Result<File, Error> {
    open(path, OFlag::O_WRONLY).map(File::from).map_err(Error::io("open", path))
}

fn open(path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    Ok(sys::open(path, flags)?)
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut file = File::from(open(path, OFlag::O_RDONLY)?);
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            n => text.extend_from_slice(&chunk[..n]),
        }
    }
    String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Reads a file of one short line, without its newline: one read.
pub(crate) fn read_line(path: &Path) -> io::Result<String> {
    let mut line = [0; 4096];
    let line = sys::read_start(path, &mut line)?;
    Ok(String::from_utf8_lossy(line).trim_end().to_owned())
}

/// The value of `key` in a file of `key value` lines.
pub(crate) fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A descriptor of a directory, good for the `*at` calls and `CLONE_INTO_CGROUP`.
pub(crate) fn directory(path: &Path) -> Result<OwnedFd, Error> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY).map_err(Error::io("open", path))
}
