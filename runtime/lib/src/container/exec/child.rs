//! The way of the new process into the container, from the host's side to `execve`.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ketch_cgroups::Cgroup;
use ketch_sys::clone::{self, Child};
use ketch_sys::scheduler::set_affinity;
use ketch_sys::{Errno, prctl};
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::unistd::setsid;

use crate::container::create::Stdio;
use crate::init::channel::{Channel, Message};
use crate::init::namespace::{become_root, fail};
use crate::init::{console, stdio};
use crate::plan::process::ProcessPlan;
use crate::process;
use crate::rdt;
use crate::rootfs::root::enter as enter_root;
use crate::step::{At, StepError};

/// What makes a process a member of the container.
#[derive(Debug)]
pub(super) struct Join<'a> {
    /// init's pidfd.
    pub(super) init: &'a OwnedFd,
    pub(super) rdt: Option<&'a rdt::Group>,
    /// `CLONE_NEW*` of the namespaces that are the container's own.
    pub(super) namespaces: libc::c_int,
    /// The container's root, where no mount namespace leads there.
    pub(super) root: Option<OwnedFd>,
    pub(super) cgroup: Way,
}

/// How a process gets into a cgroup: started in it, or through entrances opened beforehand (v1).
#[derive(Debug)]
pub(super) struct Way {
    directory: Option<OwnedFd>,
    entrances: Vec<OwnedFd>,
    /// The container's, and init's pid, where init's own cgroup below it will do as well.
    inner: Option<(Cgroup, i32)>,
}

impl Way {
    /// Into the container's cgroup, or, as in runc and crun, where its init has gone from there.
    pub(super) fn into(cgroup: Cgroup, init: i32) -> Result<Way, ketch_cgroups::Error> {
        let way = Way::into_exactly(&cgroup)?;
        Ok(Way { inner: Some((cgroup, init)), ..way })
    }

    pub(super) fn into_exactly(cgroup: &Cgroup) -> Result<Way, ketch_cgroups::Error> {
        let directory = cgroup.directory();
        let entrances = if directory.is_some() { Vec::new() } else { cgroup.entrances()? };
        Ok(Way { directory, entrances, inner: None })
    }

    /// Makes a process that runs `main`, in the cgroup where it is entered by being started in it.
    pub(super) fn fork(
        &self,
        not_inherited: &[BorrowedFd<'_>],
        main: impl FnOnce() -> i32 + Copy,
    ) -> Result<Child, Errno> {
        let into =
            |cgroup| clone::fork(clone::Options { cgroup, not_inherited, ..clone::Options::default() }, main);
        match (into(self.directory.as_ref().map(AsFd::as_fd)), &self.inner) {
            (Err(Errno::EBUSY), Some((cgroup, init))) => match cgroup.directory_of(*init) {
                Some(directory) => into(Some(directory.as_fd())),
                None => Err(Errno::EBUSY),
            },
            (made, _) => made,
        }
    }
}

/// What the process then becomes.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) plan: &'a ProcessPlan,
    pub(super) stdio: Stdio<'a>,
    pub(super) preserve_fds: Vec<u32>,
}

/// All of it; returns an exit status only when it failed and has said so.
pub(super) fn run(join: &Join<'_>, namespaces: libc::c_int, program: &Program<'_>, channel: &Channel) -> i32 {
    match enter(join, namespaces, program) {
        Ok(()) => run_inside(join, program, channel),
        Err(error) => fail(channel, error),
    }
}

/// The part that is left for a process which is in all namespaces already.
pub(super) fn run_inside(join: &Join<'_>, program: &Program<'_>, channel: &Channel) -> i32 {
    match become_program(join, program, channel) {
        Ok(never) => match never {},
        Err(error) => fail(channel, error),
    }
}

/// Goes from the host into the container. What needs the host's rights or `/proc` comes before.
pub(super) fn enter(
    join: &Join<'_>,
    namespaces: libc::c_int,
    program: &Program<'_>,
) -> Result<(), StepError> {
    let plan = program.plan;
    let affinity = |mask: &Option<Vec<u64>>| match mask {
        Some(mask) => set_affinity(0, mask).at("set the CPU affinity", ""),
        None => Ok(()),
    };
    affinity(&plan.affinity.initial)?;
    ketch_cgroups::enter(&join.cgroup.entrances).at("enter", "the container's cgroup")?;
    affinity(&plan.affinity.last)?;
    join.rdt.map_or(Ok(()), rdt::join)?;
    process::set_from_host(plan, 0)?;

    // One call, so that rights which only the user namespace gives count for the others; it also
    // sets root and working directory to the container's root.
    if namespaces != 0 {
        setns(join.init, CloneFlags::from_bits_retain(namespaces))
            .at("join", "the container's namespaces")?;
    }
    if let Some(root) = &join.root {
        enter_root(root)?;
    }
    if namespaces & libc::CLONE_NEWUSER != 0 {
        become_root(plan.user.keeps_groups)?;
    }
    Ok(())
}

fn become_program(
    join: &Join<'_>,
    program: &Program<'_>,
    channel: &Channel,
) -> Result<Infallible, StepError> {
    prctl::reset_signals(None).at("reset the signals of", "the process")?;
    // CVE-2024-21626: no descriptor of the host's crosses execve, whoever opened it and however.
    prctl::close_on_exec_from(3).at("mark close-on-exec", "inherited descriptors")?;
    stdio::preserve(&program.preserve_fds)?;
    setsid().at("make a session for", "the process")?;
    match &program.stdio {
        Stdio::Inherit => {}
        Stdio::Fds([input, output, error]) => stdio::replace([input.as_fd(), output.as_fd(), error.as_fd()])?,
        Stdio::ConsoleSocket(_) | Stdio::Pty => {
            let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
                .at("open", "/")?;
            let console = console::open(&root, program.plan.console_size)?;
            console.take()?;
            channel.send(&Message::Console(console.master))?;
        }
    }
    let uid = program.plan.user.uid;
    if uid != 0 || join.namespaces & libc::CLONE_NEWUSER != 0 {
        stdio::give_to(uid)?;
    }
    let ready = process::prepare(program.plan, &mut |listener| channel.offer_listener(listener))?;
    Err(ready.exec())
}
