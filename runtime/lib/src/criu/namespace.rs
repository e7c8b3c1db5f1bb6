//! The namespaces that a container shares with others: they are not in the images.
//!
//! Names are runc's, so that its images and ours can be exchanged.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

use nix::libc;

use super::protocol::{InheritFd, JoinNamespace};
use crate::init::namespace::Open;
use crate::plan::Invalid;
use crate::plan::namespace::Namespaces;
use crate::step::{At, StepError};

/// What a network or pid namespace is called that is not part of the images.
fn name(flag: libc::c_int) -> Option<(&'static str, &'static str)> {
    match flag {
        libc::CLONE_NEWNET => Some(("net", "extRootNetNS")),
        libc::CLONE_NEWPID => Some(("pid", "extRootPidNS")),
        _ => None,
    }
}

/// For a dump: the namespaces of init that were joined by path and are left out.
pub(crate) fn external(namespaces: &Namespaces, init: i32) -> Result<Vec<String>, StepError> {
    let mut external = Vec::new();
    for joined in &namespaces.joined {
        let Some((kind, name)) = name(joined.flag) else { continue };
        let path = format!("/proc/{init}/ns/{kind}");
        let inode = std::fs::metadata(&path).at("inspect", &path)?.ino();
        external.push(format!("{kind}[{inode}]:{name}"));
    }
    Ok(external)
}

/// For a restore: the namespaces that take their places, and those that are joined by CRIU itself; the descriptors in the
/// answer must be kept.
pub(crate) fn inherited<'a>(
    open: &'a [Open<'_>],
) -> (Vec<InheritFd>, Vec<JoinNamespace>, Vec<BorrowedFd<'a>>) {
    let (mut inherited, mut joined, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for namespace in open {
        let fd = namespace.fd.as_fd();
        kept.push(fd);
        match name(namespace.joined.flag) {
            Some((_, name)) => {
                inherited.push(InheritFd { key: name.to_owned(), fd: fd.as_raw_fd() });
            }
            None => joined.push(JoinNamespace {
                kind: kind(namespace.joined.flag).to_owned(),
                file: format!("/proc/self/fd/{}", fd.as_raw_fd()),
            }),
        }
    }
    (inherited, joined, kept)
}

/// CRIU makes the mount namespace of what it restores, and a cgroup namespace has no path that it could join by. Without a mount
/// namespace it would take the host's mounts for the container's.
pub(crate) fn refuse_shared(namespaces: &Namespaces) -> Result<(), Invalid> {
    let refused =
        [(libc::CLONE_NEWNS, "mount"), (libc::CLONE_NEWCGROUP, "cgroup"), (libc::CLONE_NEWTIME, "time")];
    if !namespaces.separates(libc::CLONE_NEWNS) {
        let reason = "a container without a mount namespace cannot be checkpointed or restored";
        return Err(Invalid::new("linux.namespaces", reason));
    }
    match refused.iter().find(|(flag, _)| namespaces.joins(*flag)) {
        Some((_, name)) => {
            let reason = format!("a {name} namespace given by path cannot be checkpointed or restored");
            Err(Invalid::new("linux.namespaces", reason))
        }
        None => Ok(()),
    }
}

fn kind(flag: libc::c_int) -> &'static str {
    match flag {
        libc::CLONE_NEWUTS => "uts",
        libc::CLONE_NEWIPC => "ipc",
        libc::CLONE_NEWUSER => "user",
        _ => "",
    }
}
