//! A new container's cgroup.

use std::os::fd::OwnedFd;

use ketch_cgroups::systemd::{self, Manager, Scope};
use ketch_cgroups::{Cgroup, Layout, Location};
use ketch_sys::clone::{self, Child};
use ketch_sys::pidfd;
use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};

use super::create::CreateError;
use super::directory::Directory;
use crate::plan::Plan;
use crate::spec::Spec;
use crate::step::At;

/// Makes it, with the configuration's limits, and notes in the container's directory where it is.
///
/// [`Layout::NONE`] leaves the container in the caller's cgroups.
pub(super) fn make(
    layout: &Layout,
    spec: &Spec,
    plan: &Plan,
    directory: &Directory,
) -> Result<Cgroup, CreateError> {
    if *layout == Layout::NONE {
        return Ok(Cgroup::open(Location::default()));
    }
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    directory.plan_cgroup(&plan.cgroup)?;
    own(ketch_cgroups::create(layout, &plan.cgroup, resources)?, directory)
}

fn own(cgroup: Cgroup, directory: &Directory) -> Result<Cgroup, CreateError> {
    match directory.own_cgroup() {
        Ok(()) => Ok(cgroup),
        Err(error) => {
            cgroup.kill().and_then(|()| cgroup.remove())?;
            Err(error.into())
        }
    }
}

/// The scope that systemd is to make. None: the cgroup is made by hand, or there is none.
pub(super) fn plan_scope(
    layout: &Layout,
    spec: &Spec,
    id: &str,
    manager: Option<&Manager>,
) -> Result<Option<Scope>, CreateError> {
    let Some(manager) = manager else { return Ok(None) };
    match layout {
        Layout::V2 => {}
        none if *none == Layout::NONE => return Ok(None),
        Layout::V1 { .. } => return Err(CreateError::SystemdOnV1),
    }
    let linux = spec.linux().as_ref();
    let path = linux.and_then(|linux| linux.cgroups_path().as_deref());
    let resources = linux.and_then(|linux| linux.resources().as_ref());
    let annotations = spec.annotations().clone().unwrap_or_default();
    Ok(Some(systemd::plan(manager, path, id, resources, &annotations)?))
}

/// The same as [`make`] for a scope, around `init`, which systemd moves into it.
pub(super) fn make_scope(scope: &Scope, init: i32, directory: &Directory) -> Result<Cgroup, CreateError> {
    directory.plan_unit(scope.unit())?;
    own(scope.start(init)?, directory)
}

/// A process that keeps a scope from ending while nobody else is in it. It ends when this is dropped, and when its maker dies.
#[derive(Debug)]
pub(super) struct Keeper {
    child: Child,
    end: Option<OwnedFd>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end = None;
        // Killed along with the scope, or at its end: nothing is left to report.
        let _ = pidfd::wait(&self.child.pidfd);
    }
}

/// A scope for processes that are to be started in it.
pub(super) fn make_kept_scope(scope: &Scope, directory: &Directory) -> Result<(Cgroup, Keeper), CreateError> {
    let (start, end) = pipe2(OFlag::O_CLOEXEC).at("make a pipe for", "the keeper of the scope")?;
    let not_inherited = [std::os::fd::AsFd::as_fd(&end)];
    let options = clone::Options { not_inherited: &not_inherited, ..clone::Options::default() };
    let child = clone::fork(options, || {
        while read(&start, &mut [0]) == Err(ketch_sys::Errno::EINTR) {}
        0
    })
    .at("start", "the keeper of the scope")?;
    let keeper = Keeper { child, end: Some(end) };
    let cgroup = make_scope(scope, keeper.child.pid, directory)?;
    Ok((cgroup, keeper))
}
