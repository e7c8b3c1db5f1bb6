//! A log and its older files: `ctr.log`, `ctr.log.1`, `ctr.log.2` …

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(crate) fn rotated(log: &Path, number: u32) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// One file, told apart from the next of the same name.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) file: File,
    pub(crate) identity: (u64, u64),
}

/// Opens all, oldest first. The newest is opened first, so that a rotation meanwhile hides none: it shows one
/// twice, or leaves one number free for a moment.
pub(crate) fn open_all(log: &Path) -> io::Result<Vec<LogFile>> {
    let mut files: Vec<LogFile> = Vec::new();
    files.extend(open(log)?);
    let mut missing = 0;
    for number in 1.. {
        match open(&rotated(log, number))? {
            Some(file) if files.iter().any(|other| other.identity == file.identity) => missing = 0,
            Some(file) => {
                files.push(file);
                missing = 0;
            }
            None if missing == 1 => break,
            None => missing += 1,
        }
    }
    files.reverse();
    Ok(files)
}

/// The files that have come after the one of `identity`, oldest first; all, when that has been rotated away.
pub(crate) fn newer(log: &Path, identity: Option<(u64, u64)>) -> io::Result<Vec<LogFile>> {
    let newest = match std::fs::metadata(log) {
        Ok(data) => Some((data.dev(), data.ino())),
        // Between two renames, or removed with its container.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if newest.is_none() || newest == identity {
        return Ok(Vec::new());
    }
    let mut files = open_all(log)?;
    if let Some(at) = files.iter().position(|file| Some(file.identity) == identity) {
        files.drain(..=at);
    }
    Ok(files)
}

fn open(path: &Path) -> io::Result<Option<LogFile>> {
    match File::open(path) {
        Ok(file) => {
            let data = file.metadata()?;
            Ok(Some(LogFile { file, identity: (data.dev(), data.ino()) }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
