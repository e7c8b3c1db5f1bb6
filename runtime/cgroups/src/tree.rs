//! A cgroup and those below it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;

use crate::{Error, file, wait};

/// Every process in `cgroup` and below. One that is gone has none.
pub(crate) fn pids(cgroup: &Path) -> Result<Vec<i32>, Error> {
    let mut pids = Vec::new();
    collect(cgroup, &mut pids)?;
    Ok(pids)
}

fn collect(cgroup: &Path, pids: &mut Vec<i32>) -> Result<(), Error> {
    let path = cgroup.join("cgroup.procs");
    match file::read(&path) {
        // 0 is a process outside of our pid namespace.
        Ok(text) => {
            pids.extend(text.lines().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| *pid != 0));
        }
        Err(e) if is_gone(&e) => return Ok(()),
        // A threaded cgroup: its processes are listed by the domain above it.
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        Err(e) => return Err(Error::io("read", path)(e)),
    }
    for child in children(cgroup).map_err(Error::io("list", cgroup))? {
        collect(&child, pids)?;
    }
    Ok(())
}

/// The cgroups right below. cgroupfs counts them in the link count, so mostly nothing is listed.
fn children(cgroup: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = || {
        if fs::metadata(cgroup)?.nlink() <= 2 {
            return Ok(Vec::new());
        }
        let mut children = Vec::new();
        for entry in fs::read_dir(cgroup)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                children.push(entry.path());
            }
        }
        Ok(children)
    };
    match listed() {
        Err(e) if is_gone(&e) => Ok(Vec::new()),
        result => result,
    }
}

/// Removes `cgroup` and those below it.
///
/// A cgroup can be busy for a moment after its last process was waited for: the kernel takes a dead task
/// off its cgroup when it has switched away from it for good, which later kernels (6.19) do after the
/// parent was told. So EBUSY from a cgroup that lists no process is tried again, in at most half a second.
pub(crate) fn remove(cgroup: &Path) -> Result<(), Error> {
    let mut pause = Duration::from_micros(500);
    loop {
        let busy = match fs::remove_dir(cgroup) {
            Ok(()) => return Ok(()),
            Err(e) if is_gone(&e) => return Ok(()),
            Err(e) if matches!(e.raw_os_error(), Some(libc::EBUSY | libc::ENOTEMPTY)) => e,
            Err(e) => return Err(Error::io("remove", cgroup)(e)),
        };
        let below = children(cgroup).map_err(Error::io("list", cgroup))?;
        if !below.is_empty() {
            below.iter().try_for_each(|child| remove(child))?;
        } else if pause > Duration::from_millis(300) || !pids(cgroup)?.is_empty() {
            return Err(Error::io("remove", cgroup)(busy));
        } else {
            wait::settle(cgroup, pause)?;
            pause *= 2;
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}
