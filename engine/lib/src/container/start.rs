//! `start`: from a row to a running process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_monitor::attach::{self, Session};
use ketch_monitor::config::{self, Config, LogConfig, LogDriver};
use ketch_monitor::exit::Exit;
use ketch_monitor::spawn::{self, Handed, Monitor, PASSED_FD as FIRST_PASSED, spawn};
use ketch_monitor::{exit, lock};
use ketch_runtime::container::delete::{self, DeleteError};

use super::account::Wanted;
use super::checkpoint::marker;
use super::join::{self, JoinError};
use super::options::{CgroupManager, Cgroups, HostsBase, RestartPolicy};
use super::policy::{self, Tally};
use super::prepare::{PrepareError, prepare};
use super::remove::{RemoveError, purge};
use super::root::{self, RootError};
use super::service::{NotifyError, Service};
use super::status::{self, Status};
use super::stop::{SignalError, stop};
use super::turn::Turn;
use super::{FileError, health, log_path, make_private};
use crate::events::{Action, Event};
use crate::image::{self, Image};
use crate::network::setup::{self, Setup};
use crate::network::{self, SetupError};
use crate::secret::GiveError;
use crate::spec::{self, Build, Facts, Host, Joined, SpecError};
use crate::state;
use crate::state::containers::{FindError, Record};
use crate::state::pods::FindPodError;
use crate::userns::{Users, UsersError};
use crate::{Engine, pod, secret};

/// What the caller has, and wants.
#[derive(Debug, Default)]
pub struct Start<'a> {
    /// The record's image; None for `--rootfs`.
    pub image: Option<&'a Image>,
    /// Attach before the first byte of output.
    pub attach: Option<attach::Options>,
    /// What [`Host::read`] gave for the record's options, when it was read already.
    pub host: Option<Host>,
    /// `-d`: nobody will ever be at the other end of stdin but a later `attach`.
    pub detached: bool,
    /// Make its processes from the images of a checkpoint, in place of the command.
    pub restore: Option<config::Restore>,
    /// For a container that does not run yet.
    pub service: Service,
    /// What init gets besides, under these numbers: none that the service manager's descriptors have.
    pub preserved: Vec<(i32, OwnedFd)>,
    /// It is its restart policy that wants it started, unless a command has it ended: what is noted of that then.
    pub by_policy: Option<Tally>,
    /// Its stdin, stdout and stderr with the log driver passthrough; None: it has none to speak of.
    pub stdio: Option<[OwnedFd; 3]>,
    /// What is to be told of it when it has ended.
    pub account: Option<Wanted>,
    /// `init`: leave it to another command to let it go.
    pub keep: bool,
}

/// A container that runs.
#[derive(Debug)]
pub struct Started {
    /// False: it ran already.
    pub now: bool,
    pub session: Option<Session>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("no container with name or ID {0:?} found: no such container")]
    Gone(String),
    #[error("unable to start container {0:?}: it is paused: container state improper")]
    Paused(String),
    /// Of `init`.
    #[error("container {0} has already been created in runtime: container state improper")]
    Made(String),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error("a dependency of container {id} failed to start")]
    Dependency { id: String, source: Box<StartError> },
    #[error(transparent)]
    Image(#[from] image::FindError),
    #[error(transparent)]
    Pod(#[from] FindPodError),
    #[error("cannot make the cgroup of pod {pod}")]
    PodCgroup { pod: String, source: pod::cgroup::PrepareError },
    #[error("cannot clear what the last run of container {id} left")]
    Leftover { id: String, source: DeleteError },
    #[error("cannot attach to container {id}")]
    Attach { id: String, source: io::Error },
    #[error("cannot start container {id}, which was initialized: its monitor does not answer")]
    Kept { id: String, source: io::Error },
    #[error("cannot end container {id}, whose monitor was killed, to start it anew")]
    Orphan { id: String, source: Box<SignalError> },
    #[error(transparent)]
    Network(#[from] SetupError),
    #[error(transparent)]
    Secret(#[from] GiveError),
    #[error(transparent)]
    Notify(#[from] NotifyError),
    #[error(transparent)]
    Monitor(#[from] spawn::StartError),
    /// `--rm`, and the removal failed too.
    #[error("{start}; and then: {remove}")]
    Remove { start: Box<StartError>, remove: Box<RemoveError> },
}

impl StartError {
    /// Whether the container was refused by the runtime, and not before.
    pub fn is_of_runtime(&self) -> bool {
        match self {
            StartError::Monitor(_) => true,
            StartError::Remove { start, .. } => start.is_of_runtime(),
            _ => false,
        }
    }

    /// The working directory that is not there, if that is why.
    pub fn missing_workdir(&self) -> Option<&Path> {
        match self {
            StartError::Prepare(PrepareError::Root(RootError::Workdir { path, .. })) => Some(path),
            StartError::Remove { start, .. } => start.missing_workdir(),
            _ => None,
        }
    }

    /// What `ketch run` exits with.
    pub fn exit_code(&self) -> i32 {
        match self {
            StartError::Monitor(error) => error.code,
            StartError::Spec(error) => error.exit_code(),
            StartError::Prepare(PrepareError::Root(RootError::Workdir { .. })) => 126,
            StartError::Network(error) => error.exit_code(),
            StartError::Remove { start, .. } => start.exit_code(),
            _ => 125,
        }
    }
}

/// Starts the container, unless it runs already, and first those whose namespaces it joins. A failed start leaves it as it
/// was, and removes it with `--rm`.
///
/// One that runs without a monitor, which was killed, has nobody to attach to: its output is lost, and so will be how it
/// ends. To attach to it is to stop it, as it wants to be stopped, and to start it anew.
pub fn start(engine: &Engine, record: &Record, how: Start<'_>) -> Result<Started, StartError> {
    let (turn, lock) = loop {
        let turn = Turn::take(&engine.paths, &record.id)?;
        if !engine.db.has_container(&record.id)? {
            return Err(StartError::Gone(record.id.clone()));
        }
        if how.by_policy.is_some() && policy::is_marked(&engine.paths.container(&record.id)) {
            return Ok(Started { now: false, session: None });
        }
        let run_dir = engine.paths.container_run(&record.id);
        match status::status(&engine.paths, &record.id) {
            status if how.keep && status.is_alive() => return Err(StartError::Made(record.id.clone())),
            Status::Initialized { .. } => return start_kept(engine, record, how),
            Status::Running { .. } => {
                let session = how.attach.clone().map(|options| connect(engine, record, options)).transpose();
                if session.is_ok() || lock::is_held(&run_dir).unwrap_or(true) {
                    return Ok(Started { now: false, session: session? });
                }
                drop(turn);
                stop(engine, record, None)
                    .map_err(|error| StartError::Orphan { id: record.id.clone(), source: Box::new(error) })?;
                continue;
            }
            Status::Paused { .. } => return Err(StartError::Paused(record.id.clone())),
            _ => {}
        }
        make_private(&run_dir)?;
        if !lock::is_held(&run_dir).map_err(FileError::at("look at the lock of", &run_dir))? {
            // What a killed monitor could not clear; before the lock, so that a dead state under a lock always has
            // its own monitor there.
            delete::delete(&engine.paths.runtime(), &record.id, true)
                .map_err(|source| StartError::Leftover { id: record.id.clone(), source })?;
        }
        if let Some(lock) = lock::try_take(&run_dir).map_err(FileError::at("lock", &run_dir))? {
            break (turn, lock);
        }
        // The monitor of the last run is about to end, and may need the turn for that.
        drop(turn);
        lock::wait_free(&run_dir).map_err(FileError::at("wait for", &run_dir))?;
    };
    let is_restore = how.restore.is_some();
    let started = carry_out(engine, record, how, lock);
    if let Err(error) = started {
        if is_restore {
            // It stays what it was. What it could not give back is found when it is needed.
            let _ = network::release(engine, &record.id);
            return Err(error);
        }
        return Err(undo(engine, record, error));
    }
    drop(turn);
    started
}

/// With the turn. Lets go a container that `init` has made.
fn start_kept(engine: &Engine, record: &Record, how: Start<'_>) -> Result<Started, StartError> {
    let run_dir = engine.paths.container_run(&record.id);
    let session = how.attach.map(|options| connect(engine, record, options)).transpose()?;
    let started = attach::start(&run_dir, record.options.stdin && !how.detached)
        .map_err(|source| StartError::Kept { id: record.id.clone(), source })?;
    match started {
        Ok(_) => {
            if session.is_some() {
                engine.event(Event::of_container(record, Action::Attach));
            }
            Ok(Started { now: true, session })
        }
        Err(error) => {
            lock::wait_free(&run_dir).map_err(FileError::at("wait for", &run_dir))?;
            Err(undo(engine, record, error.into()))
        }
    }
}

/// With the turn of the one that depends on them. That is no circle: a container joins only what is older than it.
fn start_dependencies(engine: &Engine, record: &Record) -> Result<(), StartError> {
    for id in join::dependencies(&record.options) {
        if matches!(status::status(&engine.paths, id), Status::Running { .. }) {
            continue;
        }
        let failed = |error| StartError::Dependency { id: record.id.clone(), source: Box::new(error) };
        let dependency = engine.db.find_container(id).map_err(|error| match error {
            FindError::State(error) => error.into(),
            _ => failed(StartError::Gone(id.to_owned())),
        })?;
        let image = dependency.image_id.as_deref().map(|id| image::find(engine, id)).transpose()?;
        let how = Start { image: image.as_ref(), detached: true, ..Start::default() };
        start(engine, &dependency, how).map_err(failed)?;
    }
    Ok(())
}

/// With the turn and the lock: nobody else starts or removes it.
fn carry_out(
    engine: &Engine,
    record: &Record,
    mut how: Start<'_>,
    lock: lock::Lock,
) -> Result<Started, StartError> {
    if let Some(pod) = &record.options.pod {
        let pod = engine.db.find_pod(pod)?;
        pod::cgroup::prepare(engine, &pod).map_err(|source| StartError::PodCgroup { pod: pod.id, source })?;
    }
    start_dependencies(engine, record)?;
    let mut joining = join::join(engine, &record.options)?;
    let host = how.host.take().map_or_else(|| Host::read(&record.options), Ok)?;
    let dir = engine.paths.container(&record.id);
    make_private(&dir)?;
    let mount_point = engine.paths.run.join("rootfs");
    make_private(&mount_point)?;
    let mut users = Users::open(&record.options, joining.user.as_deref())?;
    let mut upper = None;
    let wants_upper = how.account.as_ref().is_some_and(|wanted| wanted.files);
    let rootfs =
        root::mount_root(engine, record, how.image, users.as_ref(), wants_upper.then_some(&mut upper))?;
    let own_network = users.as_mut().and_then(|users| users.network.take());
    let mut network = setup::begin(engine, record, own_network)?;
    let mut build = spec::build(
        &record.options,
        how.image.map(|image| &image.config),
        &Facts {
            id: &record.id,
            name: &record.name,
            dir: &dir,
            volumes: &engine.paths.volumes(),
            passwd: &root::read_file(&rootfs, "etc/passwd")?,
            group: &root::read_file(&rootfs, "etc/group")?,
            hosts: &match record.options.hosts.base {
                HostsBase::Image => root::read_file(&rootfs, "etc/hosts")?,
                _ => Vec::new(),
            },
            host: &host,
            joined: &Joined { network: network.joined.take(), ..joining.joined.clone() },
            network: &network.facts,
            secrets: &secret::variables(&dir, &record.options.secrets)?,
        },
    )?;
    // One empty directory for all: each container mounts its root there in a mount namespace of its own.
    if let Some(root) = build.spec.root_mut() {
        root.set_path(mount_point);
    }
    prepare(engine, record, &build, rootfs.as_fd(), users.as_ref())?;
    let mode = record.options.notify;
    how.service.introduce(&mut build.spec, mode, &engine.paths.container_run(&record.id));

    network.introduce(engine)?;

    let handed = Handed {
        rootfs: Some(rootfs),
        network: network.namespace.take(),
        shm: joining.shm.take(),
        stdio: how.stdio.take(),
        user: users.map(|users| users.namespace),
        account: how.account.take().map(|wanted| wanted.report),
        upper,
        passed: (FIRST_PASSED..)
            .zip(std::mem::take(&mut how.service.listening))
            .chain(std::mem::take(&mut how.preserved))
            .collect(),
        held: std::mem::take(&mut network.sockets),
    };
    let members = host.user_namespace.then(|| engine.paths.members());
    let config = Config { members, ..config(engine, record, build, &how, &handed, &mut network) };
    let monitor = match config.restore {
        None => {
            marker::clear(&dir).map_err(FileError::at("prepare", &dir))?;
            status::begin(&dir).map_err(FileError::at("prepare", &dir))?;
            forget_last(record, &dir, how.by_policy)?;
            let monitor = spawn(&config, lock, handed)?;
            // While the monitor makes the container.
            if let Err(error) = network.attach() {
                monitor.abandon();
                return Err(error.into());
            }
            monitor.created()?
        }
        Some(_) => restored(record, &dir, network, || spawn(&config, lock, handed)?.created())?,
    };
    joining.verify()?;
    if how.keep {
        monitor.keep()?;
        engine.event(Event::of_container(record, Action::Init));
        return Ok(Started { now: true, session: None });
    }
    let session = how.attach.take().map(|options| connect(engine, record, options)).transpose()?;
    let pid = monitor.pid;
    how.service.name_main(mode, pid)?;
    monitor.start()?;
    how.service.report_running(mode, pid)?;
    if config.restore.is_some() {
        marker::set_restored(&dir).map_err(FileError::at("write to", &dir))?;
    }
    Ok(Started { now: true, session })
}

/// What was counted of the last run, and by the policy that is told of it.
fn forget_last(record: &Record, dir: &Path, by_policy: Option<Tally>) -> Result<(), FileError> {
    if record.options.restart != RestartPolicy::No {
        by_policy.map_or_else(|| policy::begin(dir), |tally| tally.save(dir))?;
    }
    if health::of(&record.options).is_some() {
        health::Results::forget(dir)?;
    }
    Ok(())
}

/// Has the processes restored, by `make`, in a network that is there already and says nothing yet. Until they run again the
/// container is what it was.
fn restored(
    record: &Record,
    dir: &Path,
    mut network: Setup,
    make: impl FnOnce() -> Result<Monitor, spawn::StartError>,
) -> Result<Monitor, StartError> {
    let quiet = network.attach_quietly()?;
    let last = exit::load(dir).map_err(FileError::at("read the exit record of", dir))?;
    match make() {
        Ok(monitor) => {
            forget_last(record, dir, None)?;
            // Before there are sockets for them, packets of old connections would be answered by their end.
            quiet.speak()?;
            Ok(monitor)
        }
        Err(error) => {
            if let Some(last) = last {
                exit::save(dir, &last).map_err(FileError::at("put back the exit record of", dir))?;
            }
            Err(error.into())
        }
    }
}

fn connect(engine: &Engine, record: &Record, options: attach::Options) -> Result<Session, StartError> {
    attach::connect(&engine.paths.container_run(&record.id), options)
        .map_err(|source| StartError::Attach { id: record.id.clone(), source })
}

fn config(
    engine: &Engine,
    record: &Record,
    build: Build,
    how: &Start<'_>,
    handed: &Handed,
    network: &mut Setup,
) -> Config {
    let (options, dir) = (&record.options, engine.paths.container(&record.id));
    let driver = match options.log.driver.as_deref() {
        Some("none") => LogDriver::None,
        Some("passthrough") => LogDriver::Passthrough,
        _ => LogDriver::K8sFile,
    };
    Config {
        id: record.id.clone(),
        name: record.name.clone(),
        image: record.image_name.clone(),
        labels: options.labels.clone(),
        pod: options.pod.clone(),
        attached: how.attach.is_some(),
        run_dir: engine.paths.container_run(&record.id),
        runtime_root: engine.paths.runtime(),
        cgroups: build.cgroups,
        members: None,
        spec: build.spec,
        systemd: match options.cgroup_manager {
            _ if options.cgroups == Cgroups::Disabled => None,
            CgroupManager::Systemd { .. } => Some(engine.systemd.clone()),
            CgroupManager::Cgroupfs => None,
        },
        handed: handed.counts(),
        stdin: options.stdin,
        stdin_once: options.stdin && !how.detached,
        log: LogConfig {
            driver,
            path: log_path(&dir),
            max_size: options.log.max_size,
            max_files: options.log.max_files.unwrap_or(1).max(1),
        },
        remove: options.remove,
        timeout: options.timeout.filter(|seconds| *seconds > 0),
        pid_file: options.pid_file.clone(),
        monitor_pid_file: options.monitor_pid_file.clone(),
        restarts: options.restart != RestartPolicy::No,
        health: health::timer(engine, record),
        ready: how.service.of_health(options.notify),
        restore: how.restore.clone(),
        kept: false,
        account: None,
        gives_back: network.gives_back(),
        forwards: std::mem::take(&mut network.forwards),
        notify: how.service.of_container(options.notify),
        dir,
    }
}

/// Notes why, for `inspect`; with `--rm` the container goes.
fn undo(engine: &Engine, record: &Record, error: StartError) -> StartError {
    // What it could not give back is found when it is needed, or by the next start.
    let _ = network::release(engine, &record.id);
    if record.options.remove {
        return match purge(engine, record, true, None) {
            Ok(()) => error,
            Err(remove) => StartError::Remove { start: Box::new(error), remove: Box::new(remove) },
        };
    }
    let dir = engine.paths.container(&record.id);
    status::never_began(&dir);
    // The monitor has its own record of a failure that it saw.
    if dir.exists() && !matches!(error, StartError::Monitor(_)) {
        let record = Exit {
            code: error.exit_code(),
            oom_killed: false,
            started: String::new(),
            finished: String::new(),
            pid: 0,
            error: error.to_string(),
        };
        // The error itself matters more than its being remembered.
        let _ = exit::save(&dir, &record);
    }
    error
}
