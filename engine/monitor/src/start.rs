//! From a configuration to a running container.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Instant, SystemTime};

use ketch_cgroups::{Cgroup, Layout, Location};
use ketch_runtime::causes;
use ketch_runtime::container::create::{CreateError, Created, Options, Stdio, create, create_in};
use ketch_runtime::container::delete::delete_stopped;
use ketch_runtime::container::restore;
use ketch_runtime::container::state::State;
use ketch_runtime::criu::NetworkLock;
use ketch_runtime::spec::Spec;
use ketch_runtime::step::EXECUTE;
use ketch_sys::Errno;
use ketch_sys::pidfd::{self, Ended};
use nix::sys::signal::Signal;

use crate::attach::address;
use crate::clock;
use crate::config::{Config, LogDriver, Restore};
use crate::kept::{self, Kept};
use crate::log::Writer;
use crate::members::Members;
use crate::notify::Notify;
use crate::report::Report;
use crate::serve::{Event, Forwards, Health, Parts, Server};
use crate::spawn::{Handed, SHM_PATH, StartError};
use crate::streams::{self, Streams};

/// A container whose init has called `execve`, or was restored.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) pid: i32,
    pub(crate) started: String,
    /// The same moment, on a clock that nobody sets.
    pub(crate) begun: Instant,
    /// False: it was kept, and ended before anybody started it.
    pub(crate) let_go: bool,
}

/// Nothing of the container is left.
#[derive(Debug)]
pub(crate) enum NotStarted {
    Failed(StartError),
    /// The command has gone before it said `go`.
    Abandoned,
    /// The command wants it so, and waits.
    Undone,
}

impl From<StartError> for NotStarted {
    fn from(error: StartError) -> NotStarted {
        NotStarted::Failed(error)
    }
}

/// Creates or restores the container, reports that, and lets it go when told to. `config.spec` is empty afterwards.
pub(crate) fn start(
    config: &mut Config,
    handed: &mut Handed,
    report: &OwnedFd,
) -> Result<Running, NotStarted> {
    if let Some(path) = &config.members {
        join(path)?;
    }
    if let Some(path) = &config.monitor_pid_file {
        fs::write(path, format!("{}\n", std::process::id())).map_err(|error| {
            StartError::ours(&format!("write the monitor's pid to {}", path.display()), error)
        })?;
    }
    crate::exit::clear(&config.dir).map_err(|e| StartError::ours("remove the last run's exit record", e))?;
    let log = match config.log.driver {
        LogDriver::K8sFile => Some(Writer::open(&config.log).map_err(|error| {
            StartError::ours(&format!("open the log {}", config.log.path.display()), error)
        })?),
        LogDriver::None | LogDriver::Passthrough => None,
    };

    let notify = match config.notify.take() {
        Some(service) => Some(Notify::bind_in(&config.run_dir, service).map_err(|error| {
            StartError::ours(&format!("make the socket for readiness in {}", config.run_dir.display()), error)
        })?),
        None => None,
    };
    let made = make(config, handed);
    // The container has them now, and they are gone with it.
    (handed.network, handed.user) = (None, None);
    handed.passed = Vec::new();
    // Most of what this process ever allocates, and it may live for months.
    config.spec = Spec::default();
    let (mut made, streams) = made?;
    protect();

    let forwards = Forwards::new(std::mem::take(&mut handed.held), &config.forwards);
    let started = serve(config, &mut made, Ends { streams, log, notify, forwards }, report)
        .map_err(NotStarted::from)
        .and_then(|server| let_go(config, &mut made, server, report));
    match started {
        Ok((mut server, let_go)) => {
            let timeout = config.timeout.filter(|_| let_go);
            server.watch_init(timeout).map_err(|errno| StartError::errno("watch init", errno))?;
            let started = clock::rfc3339(SystemTime::now());
            Ok(Running { server, pid: made.pid, started, begun: Instant::now(), let_go })
        }
        Err(reason) => {
            undo(config, &made);
            Err(reason)
        }
    }
}

/// Lets commands find the user's namespaces, as long as the container has its monitor.
fn join(path: &Path) -> Result<(), StartError> {
    let step = "be found in the user's namespaces";
    let members = Members::open(path).map_err(|error| StartError::ours(step, error))?;
    let joined = members.join().and_then(|()| members.keep(false));
    joined.map_err(|errno| StartError::errno(step, errno))
}

/// A container that was created and waits to be let go, or that was restored and runs.
#[derive(Debug)]
struct Made {
    pid: i32,
    pidfd: OwnedFd,
    console: Option<OwnedFd>,
    cgroup: Location,
    /// None: restored.
    created: Option<Created>,
}

/// Creates or restores the container with pipes or a pty.
fn make(config: &Config, handed: &mut Handed) -> Result<(Made, Streams), StartError> {
    let terminal = config.spec.process().as_ref().and_then(|process| process.terminal()).unwrap_or(false);
    let given = handed.stdio.take().filter(|_| config.log.driver == LogDriver::Passthrough);
    let (streams, stdio) = match given {
        Some(streams) => Ok((Streams::default(), Stdio::Fds(streams))),
        None => streams::prepare(terminal, config.stdin),
    }
    .map_err(|errno| StartError::errno("make the pipes", errno))?;
    if let Some(how) = &config.restore {
        return Ok((restore_from(config, how, handed.rootfs.take(), stdio)?, streams));
    }
    let options = Options {
        root: &config.runtime_root,
        id: &config.id,
        bundle: &config.dir,
        rootfs: handed.rootfs.take(),
        opened: handed.shm.take().into_iter().map(|shm| (SHM_PATH.into(), shm)).collect(),
        stdio,
        // They have init's numbers already.
        preserve_fds: config.handed.passed().collect(),
        pid_file: config.pid_file.as_deref(),
        notify: false,
        no_pivot: false,
        no_new_keyring: false,
        start_by_other: false,
        systemd: config.systemd.as_ref(),
    };
    let created = if config.cgroups {
        create(&config.spec, options)
    } else {
        create_in(&Layout::NONE, &config.spec, options)
    };
    let mut created = created.map_err(|error| start_error(&error))?;
    let pidfd = created.pidfd.try_clone().map_err(|error| StartError::ours("copy a descriptor", error))?;
    let console = created.console.take();
    let (pid, cgroup) = (created.state.pid, created.state.cgroup.clone());
    Ok((Made { pid, pidfd, console, cgroup, created: Some(created) }, streams))
}

fn restore_from(
    config: &Config,
    how: &Restore,
    rootfs: Option<OwnedFd>,
    stdio: Stdio<'_>,
) -> Result<Made, StartError> {
    let options = restore::Options {
        root: &config.runtime_root,
        id: &config.id,
        bundle: &config.dir,
        rootfs,
        stdio,
        pid_file: config.pid_file.as_deref(),
        criu: &how.criu,
        images: &how.images,
        work: Some(&config.dir),
        tcp_established: how.tcp_established,
        tcp_close: how.tcp_close,
        ext_unix_sk: false,
        shell_job: false,
        file_locks: how.file_locks,
        auto_dedup: false,
        empty_network: false,
        cgroups: None,
        network_lock: how.nftables.then_some(NetworkLock::Nftables),
        lsm_profile: None,
        lazy_pages: false,
        config: None,
        lsm_mount_context: None,
        systemd: config.systemd.as_ref(),
    };
    let restored = restore::restore(&config.spec, options).map_err(|error| start_error(&error))?;
    let (pid, cgroup) = (restored.state.pid, restored.state.cgroup);
    Ok(Made { pid, pidfd: restored.pidfd, console: restored.console, cgroup, created: None })
}

/// What connects the container to the world.
struct Ends {
    streams: Streams,
    log: Option<Writer>,
    notify: Option<Notify>,
    forwards: Forwards,
}

/// Makes the attach socket and all else that the loop needs.
fn serve(config: &mut Config, made: &mut Made, ends: Ends, report: &OwnedFd) -> Result<Server, StartError> {
    let Ends { mut streams, log, notify, forwards } = ends;
    if let Some(master) = made.console.take() {
        streams
            .take_console(master)
            .map_err(|errno| StartError::errno("take the container's terminal", errno))?;
    }
    let listener = address::bind_in(&config.run_dir).map_err(|errno| {
        StartError::errno(&format!("bind the attach socket in {}", config.run_dir.display()), errno)
    })?;
    let copy = |fd: &OwnedFd| fd.try_clone().map_err(|error| StartError::ours("copy a descriptor", error));
    let health = config.health.clone().map(|config| Health::new(config).map(Box::new)).transpose();
    let health = health.map_err(|errno| StartError::errno("make the clock of the health check", errno))?;
    let parts = Parts {
        listener,
        report: copy(report)?,
        init: copy(&made.pidfd)?,
        oom: Cgroup::open(made.cgroup.clone()).scope_oom(),
        streams,
        log,
        notify,
        stdin: config.stdin,
        stdin_once: config.stdin_once,
        forwards,
        health,
        ready: config.ready.take(),
    };
    Server::new(parts).map_err(|errno| StartError::errno("set up the monitor's loop", errno))
}

/// Reports, serves clients that come already, and starts init when told to; false when it has ended before.
fn let_go(
    config: &mut Config,
    made: &mut Made,
    mut server: Server,
    report: &OwnedFd,
) -> Result<(Server, bool), NotStarted> {
    if Report::Created.send(report).is_err() {
        return Err(NotStarted::Abandoned);
    }
    match server.wait() {
        Ok(Event::Go) => {}
        Ok(Event::Keep) => return keep(config, made, server, report),
        Ok(Event::Undo) => return Err(NotStarted::Undone),
        Ok(_) => return Err(NotStarted::Abandoned),
        Err(errno) => return Err(StartError::errno("wait for the start", errno).into()),
    }
    server.network_is_up();
    if let Some(created) = &mut made.created {
        created.start().map_err(|error| start_error(&error))?;
    }
    Ok((server, true))
}

/// The same for a container that another command starts, some time.
fn keep(
    config: &mut Config,
    made: &mut Made,
    mut server: Server,
    report: &OwnedFd,
) -> Result<(Server, bool), NotStarted> {
    let note = |kept| {
        let written = kept::write(&config.run_dir, made.pid, &kept);
        written.map_err(|error| StartError::ours("note that the container waits for its start", error))
    };
    server.network_is_up();
    server.keep().map_err(|errno| StartError::errno("keep the container", errno))?;
    note(Kept::Waiting)?;
    if Report::Keep.send(report).is_err() {
        return Err(NotStarted::Abandoned);
    }
    match server.wait() {
        Ok(Event::Go) => {}
        Ok(Event::Ended) => return Ok((server, false)),
        Ok(_) => return Err(NotStarted::Abandoned),
        Err(errno) => return Err(StartError::errno("wait for the start", errno).into()),
    }
    let started = match &mut made.created {
        Some(created) => created.start().map_err(|error| start_error(&error)),
        None => Ok(()),
    };
    let started = started.and_then(|()| note(Kept::Since(clock::rfc3339(SystemTime::now()))));
    if let Err(error) = &started {
        server.answer(Err(error));
    }
    started?;
    config.kept = true;
    Ok((server, true))
}

/// Kills and deletes a container that is not to run after all.
fn undo(config: &Config, made: &Made) {
    let _ = address::remove_in(&config.run_dir);
    // When `start` has failed, init may have ended and been waited for already.
    let _ = pidfd::send_signal(&made.pidfd, Signal::SIGKILL as i32);
    let _ = pidfd::reap(&made.pidfd);
    if let Ok(state) = State::load(&config.runtime_root, &config.id) {
        // What is left is found again by `rm`, which reports it.
        let _ = delete_stopped(&config.runtime_root, &state);
    }
}

/// Asks the OOM killer to pass this process by. After init was made, which must not inherit that; needs a
/// privilege (CAP_SYS_RESOURCE) that a container's host may lack.
fn protect() {
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
}

fn start_error(error: &CreateError) -> StartError {
    let code = match error {
        CreateError::Step(step) if step.step == EXECUTE && step.errno == Errno::ENOENT => 127,
        // Not executable, or whatever else the runtime refuses, as with podman.
        _ => 126,
    };
    StartError { message: causes::line(error), code }
}

impl Running {
    /// Serves until init ends, reaps it and tells how it ended.
    pub(crate) fn wait(&mut self) -> Option<Ended> {
        if let Err(errno) = self.server.wait() {
            // A container whose loop fails is still a container: its end is waited for without the loop.
            self.server.note(&format!("the monitor cannot serve output any more: {}", errno.desc()));
        }
        match pidfd::reap(self.server.init()) {
            Ok(ended) => Some(ended),
            Err(errno) => {
                self.server.note(&format!("the monitor cannot tell how init ended: {}", errno.desc()));
                None
            }
        }
    }
}
