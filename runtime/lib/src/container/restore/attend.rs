//! The stages of a restore that CRIU speaks of.

use std::os::fd::OwnedFd;
use std::path::Path;

use ketch_cgroups::Location;
use ketch_sys::{Errno, pidfd};

use crate::container::create::CreateError;
use crate::container::directory::write_atomically;
use crate::container::ground::Ground;
use crate::container::state::State;
use crate::container::unfinished::Unfinished;
use crate::criu::protocol::Notification;
use crate::hooks::{self, About, Stage};
use crate::step::At;

/// What is done at them.
pub(super) struct Attendance<'a, 'b> {
    pub(super) of: &'a Ground<'b>,
    pub(super) pid_file: Option<&'a Path>,
    pub(super) location: Location,
    pub(super) unfinished: &'a mut Unfinished,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Seen {
    /// There once CRIU has restored everything; the processes wait then for leave to go on.
    pub(super) state: Option<State>,
    pub(super) console: Option<OwnedFd>,
}

impl Attendance<'_, '_> {
    pub(super) fn see_to(
        &mut self,
        notification: &Notification,
        fd: Option<OwnedFd>,
        seen: &mut Seen,
    ) -> Result<(), CreateError> {
        match notification.script.as_deref().unwrap_or_default() {
            // init has its namespaces, and nothing is restored in them yet.
            "setup-namespaces" => {
                let state = self.state(notification)?;
                self.unfinished.hooked = Some(state.clone());
                for stage in [Stage::Prestart, Stage::CreateRuntime] {
                    hooks::run(state.config.hooks.as_ref(), stage, &About::new(&state, stage))?;
                }
                Ok(())
            }
            // The master of the container's terminal.
            "orphan-pts-master" => {
                let master = fd.ok_or(Errno::EBADMSG).at("take over", "the container's terminal")?;
                match &self.of.socket {
                    Some(socket) => socket.send(&master)?,
                    None => seen.console = Some(master),
                }
                Ok(())
            }
            "post-restore" => {
                let state = self.state(notification)?;
                self.of.directory.write_state(&state)?;
                if let Some(path) = self.pid_file {
                    write_atomically(path, 0o644, state.pid.to_string().as_bytes())?;
                }
                seen.state = Some(state);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn state(&mut self, notification: &Notification) -> Result<State, CreateError> {
        let pid = notification.pid.ok_or(Errno::EBADMSG).at("hear of", "the restored init")?;
        if self.unfinished.init.is_none() {
            self.unfinished.init = Some(pidfd::open(pid).at("open", &format!("process {pid}"))?);
        }
        let state = self.of.state(pid, self.location.clone())?;
        state.ok_or_else(|| CreateError::Died("while CRIU was at work on it".to_owned()))
    }
}
