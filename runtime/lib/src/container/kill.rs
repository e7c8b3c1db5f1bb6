//! `kill`: a signal to init, or to every process of the container.

use std::collections::HashSet;
use std::os::fd::OwnedFd;

use ketch_cgroups::Cgroup;
use ketch_sys::{Errno, pidfd};

use super::state::{State, start_time};
use crate::spec::LinuxNamespaceType;
use crate::step::{At, StepError};

pub(super) const SIGKILL: i32 = 9;

/// Sends `signal` to init (through a pidfd whose start time was checked), or to all when `all`.
///
/// As in runc, what kills an init without a pid namespace of its own kills all: there is nobody else to end them with it.
///
/// ESRCH: init has ended. With `all` that is no error: what it left behind is signalled.
pub fn kill(state: &State, signal: i32, all: bool) -> Result<(), Errno> {
    if all && !state.cgroup.paths.is_empty() {
        return kill_all(state, signal);
    }
    let alone = state.config.creates(LinuxNamespaceType::Pid) || state.cgroup.paths.is_empty();
    if signal == SIGKILL && !alone {
        init(state)?;
        return kill_all(state, signal);
    }
    match init(state) {
        Err(Errno::ESRCH) if all => Ok(()),
        init => pidfd::send_signal(&init?, signal),
    }?;
    // A frozen process dies only when thawed (v1; v2 lets SIGKILL through).
    let cgroup = Cgroup::open(state.cgroup.clone());
    if signal == SIGKILL && cgroup.is_frozen() {
        cgroup.freeze(false).map_err(|e| errno(&e))?;
    }
    Ok(())
}

/// A pidfd of init. ESRCH when it has ended, also when its number is another process's by now.
pub(super) fn init(state: &State) -> Result<OwnedFd, Errno> {
    let pidfd = pidfd::open(state.pid)?;
    // Checked after the open: from here on the descriptor cannot come to mean another process.
    if state.is_alive() { Ok(pidfd) } else { Err(Errno::ESRCH) }
}

/// The same; None if the container is stopped.
pub(super) fn running_init(state: &State) -> Result<Option<OwnedFd>, StepError> {
    match init(state) {
        Err(Errno::ESRCH) => Ok(None),
        init => init.map(Some).at("open", "the container's init"),
    }
}

/// Signals every process of the cgroup once, those too that are forked meanwhile.
fn kill_all(state: &State, signal: i32) -> Result<(), Errno> {
    let cgroup = Cgroup::open(state.cgroup.clone());
    if signal == SIGKILL {
        return cgroup.kill().map_err(|e| errno(&e));
    }
    let mut done = HashSet::new();
    loop {
        let pids = cgroup.pids().map_err(|e| errno(&e))?;
        let fresh: Vec<(i32, OwnedFd)> = pids
            .into_iter()
            .filter(|&pid| start_time(pid).is_some_and(|time| !done.contains(&(pid, time))))
            .filter_map(|pid| Some((pid, pidfd::open(pid).ok()?)))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        // A number still in the cgroup after its descriptor was opened is the process that was meant.
        let still: HashSet<i32> = cgroup.pids().map_err(|e| errno(&e))?.into_iter().collect();
        for (pid, pidfd) in fresh {
            let Some(time) = start_time(pid).filter(|_| still.contains(&pid)) else { continue };
            match pidfd::send_signal(&pidfd, signal) {
                Ok(()) | Err(Errno::ESRCH) => done.insert((pid, time)),
                Err(e) => return Err(e),
            };
        }
    }
}

/// The errno in a cgroup's error; one without is a host that lacks what it needs.
fn errno(error: &ketch_cgroups::Error) -> Errno {
    error.errno().map_or(Errno::EOPNOTSUPP, Errno::from_raw)
}
