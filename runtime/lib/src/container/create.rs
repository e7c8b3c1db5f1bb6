//! `create`: everything up to the point where init waits for `start`.

use std::ffi::CString;
use std::fs::DirBuilder;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ketch_cgroups::systemd::Manager;
use ketch_cgroups::{Cgroup, Layout};
use ketch_sys::clone::Child;
use ketch_sys::{Errno, file, pidfd};
use nix::libc;
use nix::sys::wait::WaitStatus;
use nix::unistd::geteuid;

use super::directory::write_atomically;
use super::ground::{Ground, Wanted};
use super::net_device::Moved;
use super::start::StartError;
use super::state::{FIFO, State, StateError, Status};
use super::unfinished::Unfinished;
use super::{cgroup, host_root, listener, start};
use crate::criu::CriuError;
use crate::hooks::{self, About, Stage};
use crate::init::channel::{Channel, Message};
use crate::init::{self, Gate, Job, idmap, namespace, stdio};
use crate::plan::process::Keyring;
use crate::plan::{Invalid, Plan, annotations, ids};
use crate::process;
use crate::rdt;
use crate::rootfs::Sources;
use crate::spec::Spec;
use crate::step::{At, StepError};

/// What the caller decides about a new container, besides its configuration.
#[derive(Debug)]
pub struct Options<'a> {
    /// Where runtime states live, one directory a container.
    pub root: &'a Path,
    pub id: &'a str,
    /// Relative paths of the configuration start here.
    pub bundle: &'a Path,
    /// A detached mount to use as the container's root in place of `root.path`.
    pub rootfs: Option<OwnedFd>,
    /// Detached mounts to use for those binds that have these paths as their sources, which then need not exist.
    pub opened: Vec<(PathBuf, OwnedFd)>,
    pub stdio: Stdio<'a>,
    /// Descriptors from 3 on that init keeps, under the same numbers.
    pub preserve_fds: Vec<u32>,
    pub pid_file: Option<&'a Path>,
    /// Make the directory [`NOTIFY`] in the container's own, for a mount that is to have it as its source.
    pub notify: bool,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    /// `create` (true): init waits on a FIFO below `root`, for another process to `start` it.
    /// `run` (false): init waits on the channel, and [`Created::start`] is the only way.
    pub start_by_other: bool,
    /// The systemd that makes the cgroup; None: it is made by hand. Only on cgroup v2.
    pub systemd: Option<&'a Manager>,
}

/// Where the socket is to be that a container tells of its readiness, below its directory.
pub const NOTIFY: &str = "notify";

/// Where the container's standard streams lead.
#[derive(Debug)]
pub enum Stdio<'a> {
    /// The caller's own 0, 1 and 2.
    Inherit,
    /// These three, when the process has no terminal.
    Fds([OwnedFd; 3]),
    /// A pty made inside; its master is sent to this socket (runc's `--console-socket`).
    ConsoleSocket(&'a Path),
    /// A pty made inside; its master is handed back in [`Created::console`].
    Pty,
}

impl Stdio<'_> {
    /// Refuses a terminal that nobody takes, and one that is not made.
    pub(in crate::container) fn check(&self, terminal: bool) -> Result<(), Invalid> {
        let field = "process.terminal";
        match (terminal, self) {
            (true, Stdio::Inherit | Stdio::Fds(_)) => {
                Err(Invalid::new(field, "is true, and nobody takes the terminal (see --console-socket)"))
            }
            (false, Stdio::ConsoleSocket(_) | Stdio::Pty) => {
                Err(Invalid::new(field, "is false, and a terminal was asked for"))
            }
            _ => Ok(()),
        }
    }
}

/// A container whose init waits to be started.
#[derive(Debug)]
pub struct Created {
    pub state: State,
    /// init is a child of the calling process; readable when it has ended.
    pub pidfd: OwnedFd,
    /// The pty's master, for [`Stdio::Pty`].
    pub console: Option<OwnedFd>,
    root: PathBuf,
    /// Not there for an init that waits on the FIFO.
    channel: Option<Channel>,
}

/// Why a container could not be made. Nothing of it is left, unless [`CreateError::Left`] says so.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("container {0:?} exists already")]
    Exists(String),
    #[error(transparent)]
    Id(#[from] StateError),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Cgroup(#[from] ketch_cgroups::Error),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("the systemd cgroup driver needs cgroup v2, and this host has v1: use cgroupfs")]
    SystemdOnV1,
    #[error(transparent)]
    Criu(#[from] CriuError),
    #[error("init ended while it was being set up: {0}")]
    Died(String),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{error}; and what was made could not all be undone: {}", .problems.join("; "))]
    Left { error: Box<CreateError>, problems: Vec<String> },
}

/// Makes the container: namespaces, cgroups, root, console; init then waits.
///
/// The calling process must have one thread. On error everything is undone.
pub fn create(spec: &Spec, options: Options<'_>) -> Result<Created, CreateError> {
    create_in(&ketch_cgroups::detect()?, spec, options)
}

/// The same for a layout of the caller's choice. With [`Layout::NONE`] the container stays in the
/// caller's cgroups, and `linux.resources` have nothing to be applied to.
pub fn create_in(layout: &Layout, spec: &Spec, mut options: Options<'_>) -> Result<Created, CreateError> {
    let spec = &*annotations::with_receiver(spec);
    let bundle = std::path::absolute(options.bundle).at("make absolute", options.bundle)?;
    let Options { root, id, systemd, .. } = options;
    let wanted = Wanted { layout, spec, root, id, bundle: &bundle, systemd };
    let mut plan = wanted.plan(&options.stdio)?;
    refuse_without_root(&plan)?;
    plan.process.keyring = match CString::new(format!("_ses.{id}")) {
        Ok(name) if !options.no_new_keyring => Keyring::Named(name),
        _ => Keyring::Inherited,
    };
    let ground = Ground::prepare(&wanted, &plan, &options.stdio)?;
    let mut unfinished = Unfinished::new(ground.directory.path.clone());
    ground.create(&mut options, &mut unfinished).map_err(|error| unfinished.undo_after(error))
}

/// What another user than root has no right to, whatever user namespace the container gets.
fn refuse_without_root(plan: &Plan) -> Result<(), Invalid> {
    if geteuid().is_root() {
        return Ok(());
    }
    if let Some(mount) = plan.mounts.iter().find(|mount| mount.idmap.is_some()) {
        let reason = format!("{}: only root may map the ids of a mount", mount.destination.display());
        return Err(Invalid::new("mounts", reason));
    }
    if !plan.net_devices.is_empty() {
        return Err(Invalid::new("linux.netDevices", "only root may move network devices"));
    }
    Ok(())
}

impl Ground<'_> {
    fn create(&self, options: &mut Options<'_>, unfinished: &mut Unfinished) -> Result<Created, CreateError> {
        let gate = match options.start_by_other {
            true => Gate::make_fifo(&self.directory.path.join(FIFO))?,
            false => Gate::Channel,
        };
        if options.notify {
            let directory = self.directory.path.join(NOTIFY);
            DirBuilder::new().mode(0o755).create(&directory).at("make", &directory)?;
        }
        // v2: init is started in its cgroup. v1: that is made while init builds its root, on another CPU. So is a scope,
        // which cannot be without a process.
        if *self.layout == Layout::V2 && self.scope.is_none() {
            unfinished.cgroup = Some(self.make_cgroup(0)?);
        }
        let on_host = match self.plan.namespaces.separates(libc::CLONE_NEWNS) {
            true => None,
            false => {
                unfinished.host_root = true;
                Some(host_root::attach(&self.directory.path, &self.plan.root, options.rootfs.take())?)
            }
        };
        let (child, channel) = self.spawn(options, gate, unfinished.cgroup.as_ref(), on_host)?;
        let init = unfinished.init.insert(child.pidfd);
        if namespace::waits_for_go(self.plan) {
            if self.plan.namespaces.creates(libc::CLONE_NEWUSER) {
                idmap::write(child.pid, &self.plan.ids)?;
            }
            if !self.plan.net_devices.is_empty() {
                let network = namespace::open_network(&self.joined, child.pid)?;
                let devices = unfinished.net_devices.insert(Moved::none_to(network.as_fd())?);
                devices.take(&self.plan.net_devices)?;
            }
            process::set_from_host(&self.plan.process, child.pid)?;
            tell(&channel, &Message::Go)?;
        }
        let location = match &unfinished.cgroup {
            Some(cgroup) => cgroup.location().clone(),
            None => {
                let cgroup = unfinished.cgroup.insert(self.make_cgroup(child.pid)?);
                let location = cgroup.location().clone();
                // systemd has moved init already.
                let entrances = if self.scope.is_some() { Vec::new() } else { cgroup.entrances()? };
                let message = Message::Cgroups(location, entrances);
                tell(&channel, &message)?;
                let Message::Cgroups(location, entrances) = message else { unreachable!("made above") };
                file::close_all(entrances);
                location
            }
        };

        // While init builds its root.
        if let (Some(rdt), Some(group)) = (&self.plan.rdt, &self.rdt) {
            self.directory.plan_rdt(group)?;
            rdt::enter(unfinished.rdt.insert(group.clone()), rdt, child.pid)?;
        }
        let Some(state) = self.state(child.pid, location)? else {
            return Err(last_words(&channel, init));
        };
        self.directory.write_state(&state)?;
        let console = self.attend(&channel, &state, &mut unfinished.hooked, init)?;
        if let Some(path) = options.pid_file {
            write_atomically(path, 0o644, state.pid.to_string().as_bytes())?;
        }
        if options.start_by_other {
            channel.send(&Message::Go)?;
        }
        let pidfd = unfinished.init.take().expect("set above");
        let channel = (!options.start_by_other).then_some(channel);
        Ok(Created { state, pidfd, console, root: options.root.to_owned(), channel })
    }

    /// Makes the cgroup, or the scope around `init`.
    fn make_cgroup(&self, init: i32) -> Result<Cgroup, CreateError> {
        match &self.scope {
            Some(scope) => cgroup::make_scope(scope, init, &self.directory),
            None => cgroup::make(self.layout, self.spec, self.plan, &self.directory),
        }
    }

    /// Starts init and lets it go about its job; `on_host` is its root where that is attached already.
    fn spawn(
        &self,
        options: &mut Options<'_>,
        gate: Gate,
        cgroup: Option<&Cgroup>,
        on_host: Option<OwnedFd>,
    ) -> Result<(Child, Channel), CreateError> {
        let (root, opened) = (options.rootfs.take(), std::mem::take(&mut options.opened));
        let sources = match on_host {
            Some(root) => Sources::on_host(self.plan, root, opened, &self.joined)?,
            // Only root has more rights out here than init will have in there.
            None if self.plan.namespaces.separates(libc::CLONE_NEWUSER) && geteuid().is_root() => {
                Sources::open(self.plan, root, opened, &self.joined)?
            }
            None => Sources::later(self.plan, root, opened, &self.joined)?,
        };
        let user = self.plan.process.user.uid;
        let on_host = ids::host(&self.plan.ids.uids, user);
        let stdio = match std::mem::replace(&mut options.stdio, Stdio::Inherit) {
            Stdio::Fds(fds) => Some(fds),
            _ => None,
        };
        // What root on the host owns, no id of a user namespace can give away.
        match (on_host, &stdio) {
            (Some(uid), Some(fds)) => stdio::give(fds.each_ref().map(AsFd::as_fd), uid)?,
            (Some(uid), None) if !self.plan.process.terminal => stdio::give_to(uid)?,
            _ => {}
        }
        let directory = match cgroup {
            Some(cgroup) => {
                Some(cgroup.directory().ok_or(Errno::ENOENT).at("open", "the container's cgroup")?)
            }
            None => None,
        };
        let about = About {
            oci_version: self.spec.version(),
            id: self.id,
            status: Status::Creating,
            pid: None,
            bundle: self.bundle,
            annotations: self.spec.annotations().as_ref(),
        };
        let job = Job {
            plan: self.plan,
            hooks: self.spec.hooks().as_ref(),
            hook_streams: hooks::Streams::open(self.spec.annotations().as_ref())?,
            about,
            sources,
            layout: self.layout,
            location: cgroup.map(|cgroup| cgroup.location().clone()),
            stdio,
            preserve_fds: std::mem::take(&mut options.preserve_fds),
            no_pivot: options.no_pivot,
            gate,
            lock: Some(self.directory.lock.try_clone().at("duplicate the lock of", &self.directory.path)?),
        };
        let (ours, theirs) = Channel::pair()?;
        let into = directory.as_ref().map(AsFd::as_fd);
        let lock = self.directory.lock.as_fd();
        let child = namespace::spawn(self.plan, &self.joined, into, (&ours, &theirs), lock, |channel| {
            init::main(job, channel)
        })?;
        Ok((child, ours))
    }

    /// Does what init asks for until it is ready; the terminal's master, if it is to be handed back.
    fn attend(
        &self,
        channel: &Channel,
        state: &State,
        hooked: &mut Option<State>,
        init: &OwnedFd,
    ) -> Result<Option<OwnedFd>, CreateError> {
        let mut console = None;
        loop {
            match channel.receive()? {
                Some(Message::Hooks) => {
                    *hooked = Some(state.clone());
                    for stage in [Stage::Prestart, Stage::CreateRuntime] {
                        hooks::run(state.config.hooks.as_ref(), stage, &About::new(state, stage))?;
                    }
                    channel.send(&Message::Go)?;
                }
                Some(Message::Console(master)) => match &self.socket {
                    Some(socket) => socket.send(&master)?,
                    None => console = Some(master),
                },
                Some(Message::ListenerAt(number)) => {
                    let seccomp = state.config.seccomp.as_ref();
                    channel.take_listener(init, number, |listener| {
                        listener::hand_over(seccomp, state, Status::Creating, state.pid, listener)
                    })?;
                }
                Some(Message::Ready) => return Ok(console),
                Some(Message::Failed(error)) => return Err(error.into()),
                Some(_) => return Err(Errno::EBADMSG).at("understand", "init").map_err(Into::into),
                None => return Err(died(init)),
            }
        }
    }
}

/// Sends to an init that may have failed already: what it has said of that is read by [`Ground::attend`].
fn tell(channel: &Channel, message: &Message) -> Result<(), StepError> {
    match channel.send(message) {
        Err(StepError { errno: Errno::EPIPE, .. }) => Ok(()),
        sent => sent,
    }
}

/// Why an init has ended.
fn last_words(channel: &Channel, init: &OwnedFd) -> CreateError {
    loop {
        match channel.receive() {
            Ok(Some(Message::Failed(error))) | Err(error) => return error.into(),
            Ok(Some(_)) => {}
            Ok(None) => return died(init),
        }
    }
}

/// An init that is gone without a word was killed, by the OOM killer most likely.
fn died(init: &OwnedFd) -> CreateError {
    let _ = pidfd::send_signal(init, libc::SIGKILL);
    CreateError::Died(match pidfd::wait(init) {
        Ok(WaitStatus::Signaled(_, signal, _)) => format!("killed by {signal} (out of memory?)"),
        Ok(WaitStatus::Exited(_, code)) => format!("exit status {code}"),
        _ => "no one knows how".to_owned(),
    })
}

impl Created {
    /// Lets init go on, and returns when it has called `execve` and the poststart hooks have run, or with its error.
    /// On error the container is gone.
    pub fn start(&mut self) -> Result<(), CreateError> {
        let Some(channel) = self.channel.take() else {
            return Ok(start::start(&self.root, &self.state.id)?);
        };
        self.let_go(&channel).map_err(|error| {
            let mut unfinished = Unfinished::new(self.root.join(&self.state.id));
            unfinished.cgroup = Some(Cgroup::open(self.state.cgroup.clone()));
            unfinished.init = self.pidfd.try_clone().ok();
            unfinished.rdt = self.state.config.rdt.clone();
            unfinished.hooked = Some(self.state.clone());
            unfinished.undo_after(error)
        })
    }

    fn let_go(&self, channel: &Channel) -> Result<(), CreateError> {
        channel.send(&Message::Go)?;
        match channel.receive()? {
            // Closed by execve; or init was killed, which whoever waits for it sees.
            None => Ok(start::poststart(&self.state)?),
            Some(Message::Failed(error)) => Err(error.into()),
            Some(_) => Err(Errno::EBADMSG).at("understand", "init").map_err(Into::into),
        }
    }
}
