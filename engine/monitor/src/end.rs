//! What is kept of a container that has ended, and what is removed.

use std::io;
use std::time::SystemTime;

use ketch_cgroups::Cgroup;
use ketch_runtime::container::delete::delete_stopped;
use ketch_runtime::container::state::State;
use ketch_sys::pidfd::Ended;

use crate::attach::address;
use crate::clock;
use crate::config::Config;
use crate::exit::{self, Exit};
use crate::spawn::StartError;
use crate::start::Running;

/// Of an init that SIGKILL has ended.
const KILLED: i32 = 128 + 9;

/// podman's code for a container whose time was up.
const TIMED_OUT: i32 = 255;

/// Saves the exit record, then removes the runtime's state, cgroups and the attach socket. Goes on past errors;
/// they are noted in the log, for nobody else listens.
pub(crate) fn record(config: &mut Config, running: &mut Running, ended: Option<Ended>) -> Exit {
    let finished = clock::rfc3339(SystemTime::now());
    // 255 when the kernel could not tell.
    let mut code = ended.map_or(255, Ended::code);
    // Before the cgroup goes.
    let mut oom_killed = running.server.oom_killed(code == KILLED);
    let mut problems = Vec::new();
    let state = State::load(&config.runtime_root, &config.id)
        .map_err(|error| problems.push(format!("cannot read the runtime's state: {error}")))
        .ok();
    if running.server.timed_out() && code == KILLED {
        code = TIMED_OUT;
    }
    if let Some(account) = &mut config.account {
        let location = state.as_ref().map(|state| &state.cgroup);
        account.settle(location, running.begun, running.server.timed_out() && code == TIMED_OUT);
    }
    oom_killed |= state.as_ref().is_some_and(|state| Cgroup::open(state.cgroup.clone()).oom_killed());
    let exit = Exit {
        code,
        oom_killed,
        started: std::mem::take(&mut running.started),
        finished,
        pid: running.pid,
        error: String::new(),
    };
    // The disk is waited for only when the record is to stay.
    let save = if config.remove { exit::save_unsynced } else { exit::save };
    if let Err(error) = save(&config.dir, &exit) {
        problems.push(format!("cannot record the exit: {error}"));
    }
    match state.map(|state| delete_stopped(&config.runtime_root, &state)) {
        Some(Ok(deleted)) => problems.extend(deleted.warnings),
        Some(Err(error)) => problems.push(error.to_string()),
        None => {}
    }
    if let Err(errno) = address::remove_in(&config.run_dir) {
        problems.push(format!("cannot remove the attach socket: {}", errno.desc()));
    }
    for problem in problems {
        running.server.note(&problem);
    }
    running.server.close();
    exit
}

/// The record of a container whose init never ran.
pub(crate) fn not_started(code: i32, error: &str) -> Exit {
    let now = clock::rfc3339(SystemTime::now());
    Exit { code, oom_killed: false, started: now.clone(), finished: now, pid: 0, error: error.to_owned() }
}

/// Adds to `error` that it could not even be recorded.
pub(crate) fn with_problem(error: StartError, saved: io::Result<()>) -> StartError {
    match saved {
        Ok(()) => error,
        Err(problem) => StartError {
            message: format!("{} (and the exit cannot be recorded: {problem})", error.message),
            code: error.code,
        },
    }
}
