//! `exec`: one more process in a running container.

mod child;
mod spawn;

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use ketch_cgroups::Cgroup;
use ketch_sys::clone::Child;
use ketch_sys::{Errno, pidfd};
use nix::libc;
use nix::sys::stat::stat;

use super::console_socket::ConsoleSocket;
use super::create::Stdio;
use super::directory::write_atomically;
use super::host_root;
use super::listener::hand_over;
use super::state::{State, StateError, Status, start_time};
use crate::init::channel::{Channel, Message};
use crate::plan::annotations;
use crate::plan::namespace::kind;
use crate::plan::process::{Keyring, ProcessPlan};
use crate::plan::{self, Invalid};
use crate::process::memory_policy;
use crate::process::scheduler::persona;
use crate::spec::{LinuxNamespaceType, Process};
use crate::step::{At, StepError};
use child::{Join, Program, Way};

#[derive(Debug)]
pub struct Options<'a> {
    pub root: &'a Path,
    pub stdio: Stdio<'a>,
    /// Descriptors from 3 on that the process keeps, under the same numbers.
    pub preserve_fds: Vec<u32>,
    pub pid_file: Option<&'a Path>,
    /// Where below the container's own cgroup, see [`Cgroup::named_below`]; empty: in it.
    pub cgroup: &'a [String],
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
    #[error("container {id:?} is {status}: exec needs a running one")]
    NotRunning { id: String, status: Status },
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Cgroup(#[from] ketch_cgroups::Error),
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Starts `process` in the container; returns once it has called `execve`, or with its error.
///
/// What `process` leaves out (capabilities, limits, labels and the like) is as for the container's
/// own. The calling process must have one thread, and must run from a file that root of the
/// container cannot write to (CVE-2019-5736: [`ketch_sys::exe`]). On error nothing is left.
pub fn exec(state: &State, process: &Process, options: Options<'_>) -> Result<Started, ExecError> {
    let init = open_init(state, &options)?;
    let plan = plan(state, process)?;
    options.stdio.check(plan.terminal)?;
    let container = Cgroup::open(state.cgroup.clone());
    container.come_near()?;
    let cgroup = match options.cgroup {
        [] => Way::into(container, state.pid)?,
        words => Way::into_exactly(&container.named_below(words)?)?,
    };

    let console = match &options.stdio {
        Stdio::ConsoleSocket(path) => Console::Elsewhere(ConsoleSocket::connect(path)?),
        _ => Console::Here(None),
    };

    let rdt = state.config.rdt.as_ref();
    let join =
        Join { init: &init, rdt, namespaces: namespaces(state), root: root(state, options.root)?, cgroup };
    let program = Program { plan: &plan, stdio: options.stdio, preserve_fds: options.preserve_fds };
    start(state, &join, program, console, options.pid_file).map_err(|error| {
        match error.errno != Errno::ESRCH && is_init(state) {
            true => error.into(),
            // Whatever it was that failed, this is why: nobody can join an init that ends or has ended.
            false => ExecError::NotRunning { id: state.id.clone(), status: Status::Stopped },
        }
    })
}

fn start(
    state: &State,
    join: &Join<'_>,
    program: Program<'_>,
    console: Console,
    pid_file: Option<&Path>,
) -> Result<Started, StepError> {
    let (ours, theirs) = Channel::pair()?;
    let child = spawn::spawn(join, &program, &ours, &theirs)?;
    // What only the child needs now; its end of the channel above all, whose closing is waited for.
    drop((theirs, program));

    let started = follow(state, &child, &ours, console);
    match started.and_then(|console| record(&child, pid_file).map(|()| console)) {
        Ok(console) => Ok(Started { pid: child.pid, pidfd: child.pidfd, console }),
        Err(error) => Err(undo(&child, error)),
    }
}

/// Where the terminal's master goes.
enum Console {
    Here(Option<OwnedFd>),
    Elsewhere(ConsoleSocket),
}

/// A descriptor for init that is sure to be init: its start time is read after it was opened.
fn open_init(state: &State, options: &Options<'_>) -> Result<OwnedFd, ExecError> {
    let refuse = |status| ExecError::NotRunning { id: state.id.clone(), status };
    match state.status(options.root) {
        Status::Paused if options.ignore_paused => {}
        // As in runc: a created container's namespaces and root are complete.
        Status::Running | Status::Created => {}
        status => return Err(refuse(status)),
    }
    let init = match pidfd::open(state.pid) {
        Err(Errno::ESRCH) => return Err(refuse(Status::Stopped)),
        opened => opened.at("open", "the container's init")?,
    };
    if is_init(state) { Ok(init) } else { Err(refuse(Status::Stopped)) }
}

/// Whether the process of init's number is init, and alive.
fn is_init(state: &State) -> bool {
    start_time(state.pid) == Some(state.start_time)
}

/// The process as it is run: the container's own fills in what is left out.
fn plan(state: &State, process: &Process) -> Result<ProcessPlan, Invalid> {
    let mut process = process.clone();
    if let Some(own) = &state.config.process {
        let capabilities = process.capabilities().clone().or_else(|| own.capabilities().clone());
        let rlimits = process.rlimits().clone().or_else(|| own.rlimits().clone());
        let apparmor = process.apparmor_profile().clone().or_else(|| own.apparmor_profile().clone());
        let selinux = process.selinux_label().clone().or_else(|| own.selinux_label().clone());
        let io_priority = process.io_priority().or_else(|| *own.io_priority());
        let scheduler = process.scheduler().clone().or_else(|| own.scheduler().clone());
        let no_new_privileges = process.no_new_privileges().or(own.no_new_privileges());
        let oom_score_adj = process.oom_score_adj().or(own.oom_score_adj());
        process
            .set_capabilities(capabilities)
            .set_rlimits(rlimits)
            .set_apparmor_profile(apparmor)
            .set_selinux_label(selinux)
            .set_io_priority(io_priority)
            .set_scheduler(scheduler)
            .set_no_new_privileges(no_new_privileges)
            .set_oom_score_adj(oom_score_adj);
    }
    let mut plan = plan::process::plan(&process, state.config.seccomp.as_ref())?;
    plan.personality = state.config.personality.as_ref().map(persona).transpose()?;
    plan.memory_policy = state.config.memory_policy.as_ref().map(memory_policy::plan).transpose()?;
    plan.user.keeps_groups = annotations::keeps_groups(Some(&state.annotations));
    plan.create_cwd = false;
    plan.keyring = Keyring::Named(
        CString::new(format!("_ses.{}", state.id)).map_err(|_| Invalid::new("id", "has a NUL byte"))?,
    );
    Ok(plan)
}

/// The namespaces that are the container's own; the others it shares with the caller.
///
/// A restored container has a time namespace that nobody configured: CRIU gives it one in which the clocks go on. With a
/// process outside of it the container could be checkpointed again, and not restored.
fn namespaces(state: &State) -> libc::c_int {
    let configured =
        state.config.namespaces.iter().fold(0, |flags, namespace| flags | kind(namespace.typ()).0);
    let time = |process: &str| stat(format!("/proc/{process}/ns/time").as_str()).map(|file| file.st_ino);
    match (time(&state.pid.to_string()), time("self")) {
        (Ok(inits), Ok(own)) if inits != own => configured | libc::CLONE_NEWTIME,
        _ => configured,
    }
}

/// The root of a container that no mount namespace leads to. Its peers' `exec` goes to the host's own root.
fn root(state: &State, states: &Path) -> Result<Option<OwnedFd>, StepError> {
    if state.config.separates(LinuxNamespaceType::Mount) {
        return Ok(None);
    }
    let root = host_root::open(&states.join(&state.id))?;
    root.ok_or(Errno::ENOENT).at("find the container's root, a mount on", &state.rootfs).map(Some)
}

/// Serves the child until it executes the program, which closes its end of the channel.
fn follow(
    state: &State,
    child: &Child,
    channel: &Channel,
    mut console: Console,
) -> Result<Option<OwnedFd>, StepError> {
    loop {
        match channel.receive()? {
            None => break,
            Some(Message::Console(master)) => match &mut console {
                Console::Here(here) => *here = Some(master),
                Console::Elsewhere(socket) => socket.send(&master)?,
            },
            Some(Message::ListenerAt(number)) => {
                let seccomp = state.config.seccomp.as_ref();
                channel.take_listener(&child.pidfd, number, |listener| {
                    hand_over(seccomp, state, Status::Running, child.pid, listener)
                })?;
            }
            Some(Message::Failed(error)) => return Err(error),
            Some(_) => return Err(Errno::EBADMSG).at("understand", "the process to be"),
        }
    }
    match console {
        Console::Here(console) => Ok(console),
        Console::Elsewhere(_) => Ok(None),
    }
}

fn record(child: &Child, pid_file: Option<&Path>) -> Result<(), StepError> {
    match pid_file {
        Some(path) => write_atomically(path, 0o644, child.pid.to_string().as_bytes()),
        None => Ok(()),
    }
}

/// Ends and reaps what has been started; what happened before is what the caller has to know.
fn undo(child: &Child, error: StepError) -> StepError {
    let _ = pidfd::send_signal(&child.pidfd, libc::SIGKILL);
    let _ = pidfd::wait(&child.pidfd);
    error
}
