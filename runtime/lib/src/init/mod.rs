//! What happens inside: the process that becomes the container's init, from `clone3` to `execve`.
//!
//! It runs on a copy of the runtime's memory, so the plan needs no transport. It never returns into the runtime, and
//! whatever it fails at it reports through its channel, or once nobody listens there, through the start FIFO.

pub(crate) mod cgroup;
pub(crate) mod channel;
pub(crate) mod console;
pub(crate) mod gate;
pub(crate) mod idmap;
pub(crate) mod namespace;
pub(crate) mod procfs;
pub(crate) mod stdio;

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cgroup::Cgroups;
use channel::{Channel, Message};
use console::Console;
pub(crate) use gate::Gate;
use ketch_cgroups::{Layout, Location};
use ketch_sys::{ns, prctl};
use nix::libc;
use nix::unistd::{fchdir, sethostname, setsid};
use procfs::Procfs;

use crate::hooks::{self, About, Stage};
use crate::plan::Plan;
use crate::process::{self, Ready};
use crate::rootfs::{self, Sources, target};
use crate::spec::Hooks;
use crate::step::{At, StepError};

/// All that init needs to know.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) hooks: Option<&'a Hooks>,
    pub(crate) hook_streams: hooks::Streams,
    pub(crate) about: About<'a>,
    pub(crate) sources: Sources,
    pub(crate) layout: &'a Layout,
    /// The cgroups that init was started in; otherwise it is told of them later.
    pub(crate) location: Option<Location>,
    pub(crate) stdio: Option<[OwnedFd; 3]>,
    pub(crate) preserve_fds: Vec<u32>,
    pub(crate) no_pivot: bool,
    pub(crate) gate: Gate,
    /// The lock on the container's directory, held until `create` has done its part: a `delete` after one that was killed
    /// so waits for init's end too.
    pub(crate) lock: Option<File>,
}

/// The life of init; returns the exit status of one that could not become the container's program.
pub(crate) fn main(mut job: Job<'_>, channel: &Channel) -> i32 {
    let sources = std::mem::take(&mut job.sources);
    let ready = match prepare(&job, sources, channel) {
        Ok(ready) => ready,
        Err(error) => return namespace::fail(channel, error),
    };
    if let Err(error) = channel.send(&Message::Ready).and_then(|()| channel.wait_for_go()) {
        return namespace::fail(channel, error);
    }
    job.lock = None;
    let error = match job.gate.wait() {
        Ok(()) => start(&job, ready),
        Err(error) => error,
    };
    job.gate.fail(channel, error)
}

/// Everything up to the point where `start` is waited for.
fn prepare<'a>(job: &Job<'a>, sources: Sources, channel: &Channel) -> Result<Ready<'a>, StepError> {
    let plan = job.plan;
    enter(job)?;
    identify(plan)?;

    let own_cgroup = plan.namespaces.creates(libc::CLONE_NEWCGROUP);
    let mut cgroups = Cgroups::new(job.layout, job.location.clone(), own_cgroup, channel)?;
    let root = rootfs::build(plan, sources, &mut cgroups)?;
    cgroups.join()?;
    run_create_hooks(job, &root, channel)?;
    let console =
        if plan.process.terminal { Some(console::open(&root, plan.process.console_size)?) } else { None };
    if let Some(console) = &console {
        console.bind(&root)?;
    }
    make_cwd(plan, &root)?;
    rootfs::seal(plan, &root)?;
    if !plan.namespaces.separates(libc::CLONE_NEWNS) {
        rootfs::root::change(&root, &plan.root)
    } else if job.no_pivot {
        rootfs::root::move_over(&root, &plan.root)
    } else {
        rootfs::root::pivot(&root, &plan.root)
    }?;

    connect(job, console, channel)?;
    let mut on_listener = |listener| channel.offer_listener(listener);
    process::prepare(&plan.process, &mut on_listener)
}

/// Leaves what is the caller's: signals, descriptors, ids, session, streams.
fn enter(job: &Job<'_>) -> Result<(), StepError> {
    // The root is still the host's, and its /proc with it.
    prctl::reset_signals(prctl::ignored_signals()).at("reset the signals of", "init")?;
    // CVE-2024-21626: no descriptor of the host's crosses execve, whoever opened it and however.
    prctl::close_on_exec_from(3).at("mark close-on-exec", "inherited descriptors")?;
    stdio::preserve(&job.preserve_fds)?;

    let namespaces = &job.plan.namespaces;
    if namespaces.separates(libc::CLONE_NEWUSER) {
        namespace::become_root(job.plan.process.user.keeps_groups)?;
    } else if !namespace::waits_for_go(job.plan) {
        process::set_from_host(&job.plan.process, 0)?;
    }
    setsid().at("make a session for", "init")?;
    match &job.stdio {
        Some([input, output, error]) => stdio::replace([input.as_fd(), output.as_fd(), error.as_fd()]),
        None => Ok(()),
    }
}

/// Makes what is left of the namespaces and sets what lives in them.
fn identify(plan: &Plan) -> Result<(), StepError> {
    let namespaces = &plan.namespaces;
    namespace::unshare_ipc(namespaces)?;
    if namespaces.creates(libc::CLONE_NEWTIME) {
        namespace::unshare_time(&namespaces.time_offsets)?;
    }
    if namespaces.creates(libc::CLONE_NEWNET) {
        ns::loopback_up().at("bring up", "the loopback interface")?;
    }
    if let Some(name) = &plan.hostname {
        sethostname(name).at("set the host name to", name)?;
    }
    if let Some(name) = &plan.domainname {
        prctl::set_domainname(name).at("set the domain name to", name)?;
    }
    if !plan.sysctl.is_empty() {
        let procfs = Procfs::open()?;
        for sysctl in &plan.sysctl {
            procfs.write(&format!("sys/{}", sysctl.path), &sysctl.value)?;
        }
    }
    Ok(())
}

/// As in runc, a working directory that is missing is made while the root can still be written to.
fn make_cwd(plan: &Plan, root: impl AsFd) -> Result<(), StepError> {
    let cwd = Path::new(OsStr::from_bytes(plan.process.cwd.to_bytes()));
    if cwd == Path::new("/") || target::existing(&root, cwd)?.is_some() {
        return Ok(());
    }
    target::directory(&root, cwd).map(drop)
}

/// runtime-spec, lifecycle, 3 to 5: the mounts are there, the root is not yet changed.
fn run_create_hooks(job: &Job<'_>, root: impl AsFd, channel: &Channel) -> Result<(), StepError> {
    let outside = [Stage::Prestart, Stage::CreateRuntime].map(|stage| hooks::of(job.hooks, stage));
    if outside.iter().any(|hooks| !hooks.is_empty()) {
        channel.send(&Message::Hooks)?;
        channel.wait_for_go()?;
    }
    if hooks::of(job.hooks, Stage::CreateContainer).is_empty() {
        return Ok(());
    }
    // runc: these start in the container's root.
    fchdir(&root).at("enter", "the container's root")?;
    let about = inside(job, Stage::CreateContainer);
    hooks::run_inside(job.hooks, Stage::CreateContainer, &about, (&[], &job.hook_streams))
}

/// As runc: hooks inside are told init's pid as it is there.
fn inside<'a>(job: &Job<'a>, stage: Stage) -> About<'a> {
    About { status: stage.status(), pid: Some(std::process::id().cast_signed()), ..job.about.clone() }
}

/// Wires the standard streams: to the terminal, whose master goes to the runtime, or to what was inherited.
fn connect(job: &Job<'_>, console: Option<Console>, channel: &Channel) -> Result<(), StepError> {
    if let Some(console) = console {
        console.take()?;
        channel.send(&Message::Console(console.master))?;
    } else {
        stdio::take_null()?;
    }
    let uid = job.plan.process.user.uid;
    if uid != 0 || job.plan.namespaces.separates(libc::CLONE_NEWUSER) {
        stdio::give_to(uid)?;
    }
    Ok(())
}

/// After `start`: the last hooks, then the program.
fn start(job: &Job<'_>, ready: Ready<'_>) -> StepError {
    let about = inside(job, Stage::StartContainer);
    // As in runc and crun, these have the program's environment unless they bring one.
    let surroundings = (&*job.plan.process.env, &job.hook_streams);
    match hooks::run_inside(job.hooks, Stage::StartContainer, &about, surroundings) {
        Ok(()) => ready.exec(),
        Err(error) => error,
    }
}
