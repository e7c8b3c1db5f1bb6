//! `delete`: cgroups, runtime state and poststop hooks of a container that has ended.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ketch_cgroups::Cgroup;
use ketch_sys::{Errno, pidfd};
use nix::poll::{PollFd, PollFlags, poll};

use super::directory::{CGROUP_OWNED, CGROUP_PLANNED, RDT_CLASS, RDT_MONITORING, lock};
use super::glance::Glance;
use super::state::{FIFO, FILE, State, StateError, Status, check_id, read};
use super::{host_root, kill};
use crate::causes;
use crate::hooks::{self, About, Stage};
use crate::rdt;
use crate::spec::LinuxNamespaceType;

/// What a delete did not fail over.
#[derive(Debug, Default)]
pub struct Deleted {
    /// Poststop hooks that failed: the specification has them warned of, and nothing more.
    pub warnings: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cannot delete container {id:?} that is not stopped: {status}")]
    NotStopped { id: String, status: Status },
    #[error("cannot kill container {id:?}")]
    Kill { id: String, source: Errno },
    #[error(
        "container {id:?} lives on with SIGKILL pending: process {pid} is frozen by another cgroup, or stuck in the kernel"
    )]
    Lives { id: String, pid: i32 },
    #[error("container {id:?} was only partly deleted: {}", .problems.join("; "))]
    Partly { id: String, problems: Vec<String> },
}

/// Removes all that is left of the container. With `force` it is killed first, and a missing one is no error.
///
/// A container that was created and never started is killed without `force` too, as runc and crun do.
/// Of two deletes at a time one does the work; the other waits for it and finds the container missing.
pub fn delete(root: &Path, id: &str, force: bool) -> Result<Deleted, DeleteError> {
    check_id(id)?;
    let _lock = match lock(root, id) {
        Err(StateError::NotFound { .. }) if force => return Ok(Deleted::default()),
        lock => lock?,
    };
    let state = match State::load(root, id) {
        Err(StateError::Creating { .. } | StateError::Parse { .. }) if force => {
            return delete_unfinished(root, id);
        }
        state => state?,
    };
    match state.status(root) {
        Status::Stopped => {}
        Status::Created => kill_and_wait(&state)?,
        _ if force => kill_and_wait(&state)?,
        status => return Err(DeleteError::NotStopped { id: id.to_owned(), status }),
    }
    remove(root, &state)
}

/// The same for a container whose init the caller has reaped already (`run`, the monitor).
/// Another `delete` that was faster is no error.
pub fn delete_stopped(root: &Path, state: &State) -> Result<Deleted, DeleteError> {
    let _lock = match lock(root, &state.id) {
        Err(StateError::NotFound { .. }) => return Ok(Deleted::default()),
        lock => lock?,
    };
    // The name may have been deleted and given to a new container in the meantime.
    if !is_same(root, state) {
        return Ok(Deleted::default());
    }
    remove(root, state)
}

/// Whether the state on disk is still `state`'s container.
fn is_same(root: &Path, state: &State) -> bool {
    let mut buffer = Vec::new();
    let text = read(root, &state.id, &mut buffer).ok().and_then(|text| str::from_utf8(text).ok());
    text.and_then(|text| Glance::read(text).ok()).is_some_and(|on_disk| on_disk.is_of(state))
}

/// How long a killed init may take to end. One that is stuck in the kernel, or frozen by somebody else's v1 cgroup, does not
/// end at all.
const LIMIT_MS: u16 = 10_000;

/// Kills every process and waits for init's end.
fn kill_and_wait(state: &State) -> Result<(), DeleteError> {
    let failed = |source| match source {
        Errno::ETIMEDOUT => DeleteError::Lives { id: state.id.clone(), pid: state.pid },
        source => DeleteError::Kill { id: state.id.clone(), source },
    };
    let init = match kill::init(state) {
        Err(Errno::ESRCH) => return Ok(()),
        init => init.map_err(failed)?,
    };
    kill::kill(state, kill::SIGKILL, true).map_err(failed)?;
    match pidfd::send_signal(&init, kill::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let mut ended = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut ended, LIMIT_MS) {
            Err(Errno::EINTR) => {}
            Ok(0) => return Err(failed(Errno::ETIMEDOUT)),
            polled => return polled.map(|_| ()).map_err(failed),
        }
    }
}

/// Removes what a stopped container has left, then runs the poststop hooks. While a cgroup cannot be removed the state stays, so that
/// a later delete can try again.
fn remove(root: &Path, state: &State) -> Result<Deleted, DeleteError> {
    let partly = |problem: String| DeleteError::Partly { id: state.id.clone(), problems: vec![problem] };
    remove_cgroup(&Cgroup::open(state.cgroup.clone())).map_err(partly)?;
    if let Some(group) = &state.config.rdt {
        rdt::remove(group).map_err(|error| partly(error.to_string()))?;
    }
    if !state.config.separates(LinuxNamespaceType::Mount) {
        host_root::detach(&root.join(&state.id)).map_err(|error| partly(error.to_string()))?;
    }
    remove_directory(&root.join(&state.id)).map_err(partly)?;
    let about = About::new(state, Stage::Poststop);
    let failed = hooks::run_all(state.config.hooks.as_ref(), Stage::Poststop, &about);
    Ok(Deleted { warnings: failed.iter().map(ToString::to_string).collect() })
}

/// Without a pid namespace of its own, a container's other processes outlive its init.
pub(super) fn remove_cgroup(cgroup: &Cgroup) -> Result<(), String> {
    if cgroup.remove().is_ok() {
        return Ok(());
    }
    cgroup.kill().and_then(|()| cgroup.remove()).map_err(|e| causes::line(&e))
}

/// The state goes last but the directory: as long as it is there, the container is.
pub(super) fn remove_directory(path: &Path) -> Result<(), String> {
    for file in [FIFO, CGROUP_OWNED, FILE] {
        match std::fs::remove_file(path.join(file)) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(format!("cannot remove {}: {e}", path.join(file).display()));
            }
            _ => {}
        }
    }
    match std::fs::remove_dir(path) {
        Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => std::fs::remove_dir_all(path),
        removed => removed,
    }
    .or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) })
    .map_err(|e| format!("cannot remove {}: {e}", path.display()))
}

/// Removes what a `create` left that was killed before it wrote the state. Its init ends with it.
fn delete_unfinished(root: &Path, id: &str) -> Result<Deleted, DeleteError> {
    let partly = |problem: String| DeleteError::Partly { id: id.to_owned(), problems: vec![problem] };
    let directory = root.join(id);
    if let Ok(path) = std::fs::read_link(directory.join(CGROUP_OWNED)) {
        remove_cgroup(&cgroup_at(&path).map_err(partly)?).map_err(partly)?;
    } else if let Ok(path) = std::fs::read_link(directory.join(CGROUP_PLANNED)) {
        // Perhaps made, and not yet entered: what has processes is somebody else's.
        let cgroup = cgroup_at(&path).map_err(partly)?;
        if cgroup.pids().is_ok_and(|pids| pids.is_empty()) {
            cgroup.remove().map_err(|e| partly(causes::line(&e)))?;
        }
    }
    let [monitoring, class] =
        [RDT_MONITORING, RDT_CLASS].map(|note| std::fs::read_link(directory.join(note)).ok());
    if monitoring.is_some() || class.is_some() {
        let group = rdt::Group { own: class.is_some(), directory: class.unwrap_or_default(), monitoring };
        rdt::remove(&group).map_err(|error| partly(error.to_string()))?;
    }
    host_root::detach(&directory).map_err(|error| partly(error.to_string()))?;
    remove_directory(&directory).map_err(partly)?;
    Ok(Deleted::default())
}

/// The cgroup of a note: a unit's, or the directory `path` of every hierarchy.
fn cgroup_at(path: &Path) -> Result<Cgroup, String> {
    if path.is_relative() {
        let unit = serde_json::from_slice(path.as_os_str().as_bytes()).map_err(|e| causes::line(&e))?;
        return Cgroup::of_unit(&unit).map_err(|e| causes::line(&e));
    }
    let layout = ketch_cgroups::detect().map_err(|e| causes::line(&e))?;
    Ok(ketch_cgroups::at(&layout, path))
}
