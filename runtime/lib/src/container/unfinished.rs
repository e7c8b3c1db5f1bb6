//! A container in the making, and how it is unmade.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use ketch_cgroups::Cgroup;
use ketch_sys::{Errno, pidfd};

use super::create::CreateError;
use super::delete::{remove_cgroup, remove_directory};
use super::host_root;
use super::net_device::Moved;
use super::state::State;
use crate::hooks::{self, About, Stage};
use crate::rdt;

/// What there is of a container so far.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) directory: PathBuf,
    pub(super) cgroup: Option<Cgroup>,
    pub(super) init: Option<OwnedFd>,
    pub(super) net_devices: Option<Moved>,
    pub(super) rdt: Option<rdt::Group>,
    /// Whether the root may be among the host's mounts.
    pub(super) host_root: bool,
    /// Set once hooks have run: what they made, poststop hooks take away (runtime-spec, lifecycle).
    pub(super) hooked: Option<State>,
}

impl Unfinished {
    pub(super) fn new(directory: PathBuf) -> Unfinished {
        Unfinished {
            directory,
            cgroup: None,
            init: None,
            net_devices: None,
            rdt: None,
            host_root: false,
            hooked: None,
        }
    }

    /// Undoes all of it because of `error`, which becomes [`CreateError::Left`] where that does not succeed.
    pub(super) fn undo_after(&mut self, error: CreateError) -> CreateError {
        match self.undo() {
            problems if problems.is_empty() => error,
            problems => CreateError::Left { error: Box::new(error), problems },
        }
    }

    /// Undoes all of it, past every error; what could not be undone is returned.
    fn undo(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(init) = self.init.take() {
            if let Err(errno) = pidfd::send_signal(&init, nix::libc::SIGKILL)
                && errno != Errno::ESRCH
            {
                problems.push(format!("cannot kill init: {}", errno.desc()));
            }
            match pidfd::wait(&init) {
                // Reaped by a caller that ignores SIGCHLD.
                Ok(_) | Err(Errno::ECHILD) => {}
                Err(errno) => problems.push(format!("cannot wait for init: {}", errno.desc())),
            }
        }
        // After init's end: an init that is to blame cannot use them meanwhile.
        problems.extend(self.net_devices.take().map(Moved::undo).unwrap_or_default());
        if let Some(group) = self.rdt.take() {
            problems.extend(rdt::remove(&group).err().map(|error| error.to_string()));
        }
        if let Some(cgroup) = self.cgroup.take() {
            problems.extend(remove_cgroup(&cgroup).err());
        }
        if std::mem::take(&mut self.host_root) {
            problems.extend(host_root::detach(&self.directory).err().map(|error| error.to_string()));
        }
        if let Some(state) = self.hooked.take() {
            let failed = hooks::run_all(
                state.config.hooks.as_ref(),
                Stage::Poststop,
                &About::new(&state, Stage::Poststop),
            );
            problems.extend(failed.iter().map(ToString::to_string));
        }
        problems.extend(remove_directory(&self.directory).err());
        problems
    }
}
