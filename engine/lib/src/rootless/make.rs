//! New namespaces for a user: user_namespaces(7).

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use ketch_sys::{Errno, clone, pidfd};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, User, getegid};

use super::range::{self, Range};

#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error("cannot make a user namespace: {}{}", .0.desc().to_lowercase(), hint(*.0))]
    Unshare(Errno),
    #[error("cannot start newuidmap")]
    Helper(#[source] io::Error),
    #[error("cannot map the ids of user {uid}: {reason}")]
    Refused { uid: Uid, reason: String },
    #[error("cannot write {file}")]
    Write { file: &'static str, source: io::Error },
}

/// What an administrator may have to change.
fn hint(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM | Errno::EACCES => {
            " (are they allowed? see kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns)"
        }
        Errno::ENOSPC | Errno::EUSERS => " (see user.max_user_namespaces)",
        _ => "",
    }
}

/// Takes the caller into a new user namespace and a mount namespace of its own, and says why it has just one id there, if so.
///
/// A process that stays outside has newuidmap(1) write the maps: it may map what `/etc/subuid` allots to the user.
pub(super) fn make(uid: Uid) -> Result<Option<String>, MakeError> {
    // In the new namespace it has no number before it is mapped.
    let gid = getegid();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let read = |path| fs::read_to_string(path).map(|text| range::of(&text, name.as_deref(), uid.as_raw()));
    let (uids, gids) = (read("/etc/subuid").unwrap_or_default(), read("/etc/subgid").unwrap_or_default());
    let missing = match (uids.is_empty(), gids.is_empty()) {
        (false, false) => match with_ranges((uid, gid), &uids, &gids)? {
            Mapped::All => return Ok(None),
            Mapped::Not => "newuidmap is not installed (Debian: package uidmap)",
        },
        (no_uids, _) => {
            namespaces()?;
            if no_uids { "it has no range in /etc/subuid" } else { "it has no range in /etc/subgid" }
        }
    };
    single(uid, gid)?;
    let who = name.unwrap_or_else(|| uid.to_string());
    Ok(Some(format!(
        "user {who} is mapped alone, because {missing}: images and containers with files or processes of other users fail"
    )))
}

fn namespaces() -> Result<(), MakeError> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(MakeError::Unshare)
}

enum Mapped {
    All,
    /// There is no program to do it.
    Not,
}

fn with_ranges((uid, gid): (Uid, Gid), uids: &[Range], gids: &[Range]) -> Result<Mapped, MakeError> {
    let (mut ours, theirs) = UnixStream::pair().map_err(MakeError::Helper)?;
    let pid = std::process::id().to_string();
    let maps =
        [(UIDS, range::arguments(uid.as_raw(), uids)), ("newgidmap", range::arguments(gid.as_raw(), gids))];
    let options = clone::Options { not_inherited: &[ours.as_fd()], ..clone::Options::default() };
    let helper = clone::fork(options, || map(&theirs, &pid, &maps))
        .map_err(|errno| MakeError::Helper(errno.into()))?;
    drop(theirs);
    namespaces()?;
    let mut answer = String::new();
    ours.write_all(b"go").and_then(|()| ours.read_to_string(&mut answer)).map_err(MakeError::Helper)?;
    pidfd::reap(&helper.pidfd).map_err(|errno| MakeError::Helper(errno.into()))?;
    match answer.as_str() {
        DONE => Ok(Mapped::All),
        MISSING => Ok(Mapped::Not),
        "" => Err(MakeError::Refused { uid, reason: "the process that maps them was killed".to_owned() }),
        reason => Err(MakeError::Refused { uid, reason: reason.to_owned() }),
    }
}

/// Comes first.
const UIDS: &str = "newuidmap";

const DONE: &str = "done";
const MISSING: &str = "missing";

/// In the process outside: waits for the namespace, and answers how it went.
fn map(mut channel: &UnixStream, pid: &str, maps: &[(&str, Vec<String>)]) -> i32 {
    let mut go = [0; 2];
    // Its maker gave up, or was killed.
    if channel.read_exact(&mut go).is_err() {
        return 1;
    }
    let answer = maps.iter().map(|(program, arguments)| run(program, pid, arguments)).find_map(Result::err);
    let answer = answer.unwrap_or_else(|| DONE.to_owned());
    i32::from(channel.write_all(answer.as_bytes()).is_err())
}

fn run(program: &str, pid: &str, arguments: &[String]) -> Result<(), String> {
    let output = Command::new(program).arg(pid).args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(said.lines().map(str::trim).collect::<Vec<_>>().join("; "))
        }
        // Nothing is mapped yet, so another map can be written.
        Err(error) if error.kind() == ErrorKind::NotFound && program == UIDS => Err(MISSING.to_owned()),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

/// Maps the user's own ids alone, to 0. setgroups(2) has to be given up for that.
fn single(uid: Uid, gid: Gid) -> Result<(), MakeError> {
    let write = |file: &'static str, text: &str| {
        fs::write(file, text).map_err(|source| MakeError::Write { file, source })
    };
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", &format!("0 {gid} 1"))
}
