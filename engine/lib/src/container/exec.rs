//! `exec`: one more process in a running container.

use std::fs::File;
use std::os::fd::OwnedFd;

use ketch_monitor::kept::{self, Kept};
use ketch_runtime::container::create::Stdio;
use ketch_runtime::container::exec::{self as runtime, ExecError as RuntimeError, exec as run};
use ketch_runtime::container::state::State;
use ketch_runtime::spec::{Process, User};
use ketch_runtime::step::{CHDIR, EXECUTE};
use ketch_sys::{Errno, caps};

use super::root::{self, RootError};
use super::stop::{SignalError, running};
use crate::Engine;
use crate::events::{Action, Event};
use crate::spec::{self, SpecError};
use crate::state::containers::Record;

/// What differs from the container's own process.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub command: Vec<String>,
    /// `NAME=VALUE`; later ones win.
    pub env: Vec<String>,
    pub user: Option<String>,
    pub workdir: Option<String>,
    pub terminal: bool,
    pub privileged: bool,
    /// Descriptors of the caller's that the process keeps, by number.
    pub preserve: Vec<u32>,
}

#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// podman's words, and code.
    #[error("can only create exec sessions on running containers: container state improper")]
    NotRunning,
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error("cannot look into the root of container {id}: {}", .errno.desc().to_lowercase())]
    Root { id: String, errno: Errno },
    #[error(transparent)]
    File(#[from] RootError),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("cannot tell ketch's own capabilities")]
    Capabilities(#[source] Errno),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl ExecError {
    /// Whether the process was refused by the runtime, and not before.
    pub fn is_of_runtime(&self) -> bool {
        matches!(self, ExecError::Runtime(_))
    }

    /// 127: no such program (or directory, as with podman); 126: not to be executed; 255, 125: all else, as podman.
    pub fn exit_code(&self) -> i32 {
        match self {
            ExecError::NotRunning
            | ExecError::Spec(SpecError::UnknownUser(_) | SpecError::UnknownGroup(_)) => 255,
            ExecError::Runtime(RuntimeError::Step(step)) => match (step.step.as_str(), step.errno) {
                (EXECUTE, Errno::ENOENT) | (CHDIR, Errno::ENOENT) => 127,
                (EXECUTE, _) | (CHDIR, _) => 126,
                _ => 125,
            },
            _ => 125,
        }
    }
}

/// Starts the process; it is a child of the caller, who has one thread and waits for it.
pub fn exec(
    engine: &Engine,
    record: &Record,
    options: &Options,
    stdio: Stdio<'_>,
) -> Result<runtime::Started, ExecError> {
    let started = begin(engine, record, options, stdio)?;
    engine.event(Event::of_container(record, Action::Exec));
    Ok(started)
}

/// The same without an event: for what nobody has commanded.
pub(super) fn begin(
    engine: &Engine,
    record: &Record,
    options: &Options,
    stdio: Stdio<'_>,
) -> Result<runtime::Started, ExecError> {
    let (state, _init) = running(engine, record)?.ok_or(ExecError::NotRunning)?;
    if kept::read(&engine.paths.container_run(&record.id), state.pid) == Some(Kept::Waiting) {
        return Err(ExecError::NotRunning);
    }
    let process = process(record, &state, options)?;
    let root = engine.paths.runtime();
    let how = runtime::Options {
        root: &root,
        stdio,
        preserve_fds: options.preserve.clone(),
        pid_file: None,
        cgroup: &[],
        ignore_paused: false,
    };
    run(&state, &process, how).map_err(|error| match error {
        // It is paused, or has ended since.
        RuntimeError::NotRunning { .. } => ExecError::NotRunning,
        error => error.into(),
    })
}

/// Notes the end of a process whose end the caller has seen.
pub fn ended(engine: &Engine, record: &Record, code: i32) {
    engine.event(Event { container_exit_code: Some(code), ..Event::of_container(record, Action::ExecDied) });
}

fn process(record: &Record, state: &State, options: &Options) -> Result<Process, ExecError> {
    let mut process = state.config.process.clone().unwrap_or_default();
    process.set_args(Some(options.command.clone()));
    process.set_terminal(Some(options.terminal));
    if let Some(workdir) = &options.workdir {
        process.set_cwd(workdir.into());
    }
    let mut env = process.env().clone().unwrap_or_default();
    if options.terminal {
        set(&mut env, "TERM=xterm", false);
    }
    let mut uid = process.user().uid();
    if let Some(user) = &options.user {
        let root = open_root(record, state)?;
        let (passwd, group) = (root::read_file(&root, "etc/passwd")?, root::read_file(&root, "etc/group")?);
        let identity = spec::resolve_user(user, &record.options.groups, &passwd, &group)?;
        uid = identity.uid;
        set(&mut env, &format!("HOME={}", identity.home.as_deref().unwrap_or("/")), true);
        let mut oci = User::default();
        oci.set_uid(uid).set_gid(identity.gid).set_umask(process.user().umask());
        oci.set_additional_gids(Some(identity.groups).filter(|groups| !groups.is_empty()));
        process.set_user(oci);
    }
    for variable in &options.env {
        set(&mut env, variable, true);
    }
    process.set_env(Some(env));
    if options.user.is_some() || options.privileged {
        let held = caps::get().map_err(ExecError::Capabilities)?.permitted;
        let privileged = record.options.privileged || options.privileged;
        let wanted = super::options::Options { privileged, ..record.options.clone() };
        process.set_capabilities(Some(spec::resolve_capabilities(&wanted, uid, held)?));
    }
    Ok(process)
}

/// Puts `NAME=VALUE` into `env`, in place of one of the same name if `replace`.
fn set(env: &mut Vec<String>, variable: &str, replace: bool) {
    let name = |variable: &str| variable.split_once('=').map_or(variable.len(), |(name, _)| name.len());
    let own = &variable[..name(variable)];
    match env.iter_mut().find(|have| have[..name(have)] == *own) {
        Some(have) if replace => variable.clone_into(have),
        Some(_) => {}
        None => env.push(variable.to_owned()),
    }
}

/// The container's root as its init has it, through init's magic link in procfs.
pub(super) fn open_root(record: &Record, state: &State) -> Result<OwnedFd, ExecError> {
    // The caller holds a pidfd of init, so a root opened while init lives is the container's.
    match File::open(format!("/proc/{}/root", state.pid)) {
        Ok(root) => Ok(root.into()),
        Err(error) => Err(ExecError::Root {
            id: record.id.clone(),
            errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::set;

    #[test]
    fn variables() {
        let mut env = vec!["A=1".to_owned(), "AB=2".to_owned()];
        set(&mut env, "A=3=4", true);
        set(&mut env, "AB=5", false);
        set(&mut env, "C=", true);
        assert_eq!(env, ["A=3=4", "AB=2", "C="]);
    }
}
