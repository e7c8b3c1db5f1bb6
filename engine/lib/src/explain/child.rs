//! A trial in a process of its own, of which nothing is left.

use std::fs;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use ketch_sys::{clone, pidfd};
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, getegid, geteuid, pipe2, setgroups, setresgid, setresuid};

use super::failed;

/// Nobody's number, on every distribution.
const NOBODY: u32 = 65_534;

/// What `trial` gives in a child.
pub(super) fn tried(trial: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe"))?;
    let options = clone::Options { not_inherited: &[ours.as_fd()], ..clone::Options::default() };
    let child = clone::fork(options, || {
        let Err(reason) = trial() else { return 0 };
        match theirs.try_clone() {
            Ok(theirs) => i32::from(File::from(theirs).write_all(reason.as_bytes()).is_err()) + 1,
            Err(_) => 1,
        }
    })
    .map_err(failed("clone3"))?;
    drop(theirs);
    let mut reason = String::new();
    let read = File::from(ours).read_to_string(&mut reason);
    let ended = pidfd::reap(&child.pidfd).map_err(failed("wait for the trial"))?;
    match (ended.code(), read) {
        (0, Ok(_)) => Ok(()),
        (_, Ok(_)) if !reason.is_empty() => Err(reason),
        (code, _) => Err(format!("the trial ended with {code}")),
    }
}

/// In a child: becomes an ordinary user, unless it is one, or root of a user namespace, who is one to the kernel.
pub(super) fn drop_root() -> Result<(), String> {
    if !geteuid().is_root() || ketch_sys::ns::in_first_user() == Ok(false) {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[]).map_err(failed("setgroups"))?;
    setresgid(gid, gid, gid).map_err(failed("setresgid"))?;
    setresuid(uid, uid, uid).map_err(failed("setresuid"))?;
    // The files below /proc/self are root's as long as it may not be traced.
    nix::sys::prctl::set_dumpable(true).map_err(failed("prctl"))
}

/// In a child: makes these namespaces, within a user namespace if it is not root.
pub(super) fn separate(namespaces: CloneFlags) -> Result<(), String> {
    if geteuid().is_root() {
        return unshare(namespaces).map_err(failed("unshare"));
    }
    let (uid, gid) = (geteuid(), getegid());
    unshare(namespaces | CloneFlags::CLONE_NEWUSER).map_err(failed("unshare of a user namespace"))?;
    let write = |file: &str, text: String| {
        let written = fs::write(format!("/proc/self/{file}"), text);
        written.map_err(|error| format!("write /proc/self/{file}: {}", crate::store::cause(&error)))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("0 {uid} 1"))?;
    write("gid_map", format!("0 {gid} 1"))
}
