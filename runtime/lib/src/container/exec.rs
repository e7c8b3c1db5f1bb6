//! `exec`: one more process in a running container.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::create::Stdio;
use super::state::{State, StateError};
use crate::spec::Process;

#[derive(Debug)]
pub struct Options<'a> {
    pub root: &'a Path,
    pub stdio: Stdio<'a>,
    pub preserve_fds: u32,
    pub pid_file: Option<&'a Path>,
    /// A cgroup below the container's own.
    pub cgroup: Option<&'a str>,
    /// Go into a paused container; the process then waits for `resume`.
    pub ignore_paused: bool,
}

/// A started process: a child of the caller, in the container.
#[derive(Debug)]
pub struct Started {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub console: Option<OwnedFd>,
}

#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("container {id:?} is {status:?}: exec needs a running container")]
    NotRunning { id: String, status: super::state::Status },
    #[error(transparent)]
    Step(#[from] crate::step::StepError),
}

/// Starts `process` in the container; returns once it has called `execve`, or with its error.
pub fn exec(_state: &State, _process: &Process, _options: Options<'_>) -> Result<Started, ExecError> {
    todo!()
}
