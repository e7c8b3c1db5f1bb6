//! `info --explain`: what this host can do for ketch and what it cannot, why, and what would cure it.
//!
//! Everything is tried: by a system call, in a child where it would change the caller, or by a file that only the running
//! kernel or an installed program provides. Nothing is told by the kernel's version.

mod cgroups;
mod checkpoint;
mod child;
mod kernel;
mod network;
mod rootless;
mod storage;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ketch_cgroups::systemd::Manager;
use nix::unistd::Uid;
use serde::Serialize;

/// One thing that a host can or cannot do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capability {
    pub name: &'static str,
    pub available: bool,
    /// What was found.
    pub reason: String,
    /// What to do about it; None: nothing is to be done, or nothing helps.
    pub cure: Option<String>,
}

/// What only the caller knows.
#[derive(Debug)]
pub struct Caller {
    /// Who asks, before it goes into any namespace.
    pub uid: Uid,
    /// Where programs are looked for.
    pub path: OsString,
    pub systemd: Manager,
}

/// Tries it all. The calling process must have one thread.
pub fn explain(caller: &Caller) -> Vec<Capability> {
    [
        cgroups::explain(caller),
        kernel::explain(),
        storage::explain(caller),
        rootless::explain(caller),
        network::explain(caller),
        checkpoint::explain(caller),
    ]
    .concat()
}

impl Caller {
    fn is_root(&self) -> bool {
        self.uid.is_root()
    }

    /// An executable file of this name, in the caller's path or where an administrator's programs are.
    fn program(&self, name: &str) -> Option<PathBuf> {
        let administrators = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
        let paths = std::env::split_paths(&self.path).chain(administrators).map(|dir| dir.join(name));
        let is_executable = |file: fs::Metadata| file.is_file() && file.permissions().mode() & 0o111 != 0;
        paths.into_iter().find(|path| path.metadata().is_ok_and(is_executable))
    }
}

fn yes(name: &'static str, reason: impl Into<String>) -> Capability {
    Capability { name, available: true, reason: reason.into(), cure: None }
}

fn no(name: &'static str, reason: impl Into<String>, cure: Option<&str>) -> Capability {
    Capability { name, available: false, reason: reason.into(), cure: cure.map(str::to_owned) }
}

/// `tried`, with what it means when it succeeds.
fn tell(name: &'static str, tried: Result<(), String>, good: &str, cure: Option<&str>) -> Capability {
    match tried {
        Ok(()) => yes(name, good),
        Err(reason) => no(name, reason, cure),
    }
}

/// The first line of a file, if there is one.
fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.lines().next()?.trim().to_owned())
}

/// A step that failed, in the kernel's words.
fn failed(step: &'static str) -> impl Fn(nix::errno::Errno) -> String {
    move |errno| format!("{step}: {}", errno.desc().to_lowercase())
}
