//! Hooks: the programs that a configuration has run at points of a container's life.
//!
//! runtime-spec, config, "POSIX-platform Hooks": the container's state comes on standard input, and a hook that does not
//! exit with 0 fails.

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use ketch_sys::{Errno, pidfd};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, Whence, lseek, pipe2, write};
use serde::Serialize;

use crate::container::state::{State, Status};
use crate::plan::annotations::{self, Annotations};
use crate::spec::{Hook, Hooks};
use crate::step::{At, StepError};

/// When a hook runs; the first two and the last two outside the container's namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

/// What a hook is told: the state of runtime-spec's `state` command.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct About<'a> {
    pub oci_version: &'a str,
    pub id: &'a str,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    pub bundle: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<&'a HashMap<String, String>>,
}

impl<'a> About<'a> {
    /// What hooks of the stage are told of the container with this state.
    pub fn new(state: &'a State, stage: Stage) -> About<'a> {
        About {
            oci_version: &state.oci_version,
            id: &state.id,
            status: stage.status(),
            pid: (stage != Stage::Poststop).then_some(state.pid),
            bundle: &state.bundle,
            annotations: Some(&state.annotations).filter(|annotations| !annotations.is_empty()),
        }
    }
}

impl Stage {
    /// The container's status while hooks of this stage run.
    pub fn status(self) -> Status {
        match self {
            Stage::Prestart | Stage::CreateRuntime | Stage::CreateContainer => Status::Creating,
            Stage::StartContainer => Status::Created,
            Stage::Poststart => Status::Running,
            Stage::Poststop => Status::Stopped,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Stage::Prestart => "prestart",
            Stage::CreateRuntime => "createRuntime",
            Stage::CreateContainer => "createContainer",
            Stage::StartContainer => "startContainer",
            Stage::Poststart => "poststart",
            Stage::Poststop => "poststop",
        }
    }
}

/// The files that hooks write to, by crun's annotations `run.oci.hooks.stdout` and `stderr`; where there is none, what they
/// say is part of the error if they fail.
#[derive(Debug, Default)]
pub struct Streams([Option<File>; 2]);

impl Streams {
    /// Opens those that are asked for, in the caller's view of the file system, at their ends.
    pub fn open(annotations: Option<&Annotations>) -> Result<Streams, StepError> {
        let [output, error] = annotations::hook_streams(annotations).map(|path| match path {
            Some(path) => {
                File::options().append(true).create(true).open(path).map(Some).at("open, for hooks,", path)
            }
            None => Ok(None),
        });
        Ok(Streams([output?, error?]))
    }
}

/// The hooks of a stage, in the order they run.
#[allow(
    deprecated,
    reason = "prestart is deprecated for those who write a configuration, not for those who read one"
)]
pub fn of(hooks: Option<&Hooks>, stage: Stage) -> &[Hook] {
    let Some(hooks) = hooks else { return &[] };
    let list = match stage {
        Stage::Prestart => hooks.prestart(),
        Stage::CreateRuntime => hooks.create_runtime(),
        Stage::CreateContainer => hooks.create_container(),
        Stage::StartContainer => hooks.start_container(),
        Stage::Poststart => hooks.poststart(),
        Stage::Poststop => hooks.poststop(),
    };
    list.as_deref().unwrap_or_default()
}

/// Runs the stage's hooks, outside, until one fails.
///
/// As in runc and crun, one without an environment of its own has the caller's.
pub fn run(hooks: Option<&Hooks>, stage: Stage, about: &About<'_>) -> Result<(), StepError> {
    of(hooks, stage).iter().try_for_each(|hook| run_outside(hook, stage, about))
}

/// The same inside, where what a hook has without an environment of its own is `env`, and files were opened beforehand.
pub(crate) fn run_inside(
    hooks: Option<&Hooks>,
    stage: Stage,
    about: &About<'_>,
    (env, streams): (&[CString], &Streams),
) -> Result<(), StepError> {
    of(hooks, stage).iter().try_for_each(|hook| run_one(hook, stage, about, Some(env), streams))
}

/// Runs all of the stage's hooks, and returns the errors of those that failed: what the specification wants of poststop.
pub fn run_all(hooks: Option<&Hooks>, stage: Stage, about: &About<'_>) -> Vec<StepError> {
    of(hooks, stage).iter().filter_map(|hook| run_outside(hook, stage, about).err()).collect()
}

fn run_outside(hook: &Hook, stage: Stage, about: &About<'_>) -> Result<(), StepError> {
    run_one(hook, stage, about, None, &Streams::open(about.annotations)?)
}

fn run_one(
    hook: &Hook,
    stage: Stage,
    about: &About<'_>,
    default_env: Option<&[CString]>,
    streams: &Streams,
) -> Result<(), StepError> {
    let (stage, path) = (stage.name(), hook.path());
    let step = format!("run the {stage} hook");
    let text = serde_json::to_vec(about).map_err(|_| Errno::EINVAL).at(&step, path)?;
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).at(&step, path)?;
    let mut child = spawn(hook, default_env, &text, (writer, streams)).at(&step, path)?;
    let mut output = String::new();
    let deadline = hook.timeout().map(|seconds| Instant::now() + Duration::from_secs(seconds.unsigned_abs()));
    let ended = wait(&mut child, File::from(reader), deadline, &mut output).at(&step, path)?;
    // In crun's words.
    let (why, errno) = match ended.map(|status| (status.code(), status.signal())) {
        Some((Some(0), _)) => return Ok(()),
        Some((Some(code), _)) => (format!("{stage} hook failed with exit code {code}"), Errno::ECANCELED),
        Some((None, signal)) => {
            (format!("{stage} hook was killed by signal {}", signal.unwrap_or_default()), Errno::ECANCELED)
        }
        None => (format!("{stage} hook was killed"), Errno::ETIMEDOUT),
    };
    let object = match output.trim() {
        "" => format!("{} ({why})", path.display()),
        said => format!("{} ({why}, it said: {said})", path.display()),
    };
    Err(StepError { step: "run".to_owned(), object, errno })
}

fn spawn(
    hook: &Hook,
    default_env: Option<&[CString]>,
    input: &[u8],
    (pipe, Streams([output, error])): (OwnedFd, &Streams),
) -> std::io::Result<Child> {
    // A file rather than a pipe: a hook that does not read it hinders nobody.
    let stdin = memfd_create(c"state", MFdFlags::MFD_CLOEXEC)?;
    if write(&stdin, input)? != input.len() {
        return Err(Errno::EIO.into());
    }
    lseek(&stdin, 0, Whence::SeekSet)?;

    let mut command = Command::new(hook.path());
    // args is the whole of argv, the name included.
    if let Some((name, args)) = hook.args().as_deref().and_then(<[String]>::split_first) {
        command.arg0(name).args(args);
    }
    match (hook.env(), default_env) {
        (Some(env), _) => {
            command.env_clear().envs(env.iter().filter_map(|entry| entry.split_once('=')));
        }
        (None, Some(env)) => {
            command.env_clear().envs(env.iter().filter_map(|entry| split(entry.as_bytes())));
        }
        (None, None) => {}
    }
    // A group of its own, so that a timeout ends what the hook has started too.
    command.process_group(0);
    let stream = |file: &Option<File>| match file {
        Some(file) => file.try_clone().map(OwnedFd::from),
        None => pipe.try_clone(),
    };
    command.stdin(stdin).stdout(stream(output)?).stderr(stream(error)?).spawn()
}

/// `NAME=value`
fn split(entry: &[u8]) -> Option<(&OsStr, &OsStr)> {
    let at = entry.iter().position(|byte| *byte == b'=')?;
    Some((OsStr::from_bytes(&entry[..at]), OsStr::from_bytes(&entry[at + 1..])))
}

/// Waits for the hook's end, `None` if it had to be killed at `deadline`, and collects the first of what it says.
fn wait(
    child: &mut Child,
    mut reader: File,
    deadline: Option<Instant>,
    output: &mut String,
) -> std::io::Result<Option<std::process::ExitStatus>> {
    let pidfd = pidfd::open(child.id().cast_signed())?;
    let mut said = Vec::new();
    let mut open = true;
    let in_time = loop {
        let timeout = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => PollTimeout::NONE,
            Some(left) if left.is_zero() => break false,
            Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
        };
        let mut fds = [
            PollFd::new(pidfd.as_fd(), PollFlags::POLLIN),
            PollFd::new(reader.as_fd(), if open { PollFlags::POLLIN } else { PollFlags::empty() }),
        ];
        match poll(&mut fds[..if open { 2 } else { 1 }], timeout) {
            Err(Errno::EINTR) | Ok(0) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
        let ended = fds[0].any().unwrap_or(false);
        open = open && drain(&mut reader, &mut said);
        if ended {
            break true;
        }
    };
    *output = String::from_utf8_lossy(&said).into_owned();
    if !in_time {
        killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL)?;
    }
    let status = child.wait()?;
    Ok(in_time.then_some(status))
}

/// Reads all that is there, keeps the first of it; false at the end of the stream.
fn drain(reader: &mut File, said: &mut Vec<u8>) -> bool {
    const KEPT: usize = 1024;
    let mut buffer = [0; 4096];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return false,
            Ok(n) => said.extend(&buffer[..n.min(KEPT - said.len().min(KEPT))]),
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}
