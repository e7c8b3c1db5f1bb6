//! A service manager's gifts to the command that starts a container: sockets that listen already (sd_listen_fds(3)) and
//! an address to report to (sd_notify(3)).

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use ketch_monitor::notify::{DIRECTORY, SOCKET, tell};
use ketch_runtime::spec::{Mount, Spec};

use super::options::Notify;

/// Where the container finds the monitor's socket; podman's place.
const INSIDE: &str = "/run/notify";

/// What was given.
#[derive(Debug, Default)]
pub struct Service {
    /// For init's descriptors 3 and up, in order.
    pub listening: Vec<OwnedFd>,
    /// `LISTEN_FDNAMES`, as it is.
    pub names: Option<String>,
    /// `NOTIFY_SOCKET`: a path, or an abstract address that begins with `@`.
    pub notify: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot notify the service manager at {socket}")]
pub struct NotifyError {
    pub socket: PathBuf,
    pub source: io::Error,
}

impl Service {
    /// Tells the container's process of what it gets. The monitor makes the socket in `run_dir`.
    pub(super) fn introduce(&self, spec: &mut Spec, mode: Notify, run_dir: &Path) {
        let mut variables = Vec::new();
        if !self.listening.is_empty() {
            variables.push(("LISTEN_FDS", self.listening.len().to_string()));
            variables.push(("LISTEN_PID", "1".to_owned()));
            variables.extend(self.names.clone().map(|names| ("LISTEN_FDNAMES", names)));
        }
        if self.of_container(mode).is_some() {
            variables.push(("NOTIFY_SOCKET", format!("{INSIDE}/{SOCKET}")));
            let mut mount = Mount::default();
            mount.set_destination(INSIDE.into());
            mount.set_typ(Some("bind".to_owned()));
            mount.set_source(Some(run_dir.join(DIRECTORY)));
            mount.set_options(Some(
                ["bind", "rprivate", "nosuid", "noexec", "nodev"].map(str::to_owned).into(),
            ));
            // Last: below whatever else there is at /run.
            spec.mounts_mut().get_or_insert_default().push(mount);
        }
        if let Some(process) = spec.process_mut()
            && !variables.is_empty()
        {
            let mut env = process.env().clone().unwrap_or_default();
            env.retain(|have| variables.iter().all(|(name, _)| have.split('=').next() != Some(name)));
            env.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
            process.set_env(Some(env));
        }
    }

    /// What the monitor passes the container's readiness on to.
    pub(super) fn of_container(&self, mode: Notify) -> Option<PathBuf> {
        self.notify.clone().filter(|_| mode == Notify::Container)
    }

    /// What the monitor tells when a health check says for the first time that the container does its work.
    pub(super) fn of_health(&self, mode: Notify) -> Option<PathBuf> {
        self.notify.clone().filter(|_| mode == Notify::Healthy)
    }

    /// Before the container runs, makes the monitor the service's main process: what it says counts from here on.
    pub(super) fn name_main(&self, mode: Notify, monitor: i32) -> Result<(), NotifyError> {
        self.tell_if(matches!(mode, Notify::Container | Notify::Healthy), || format!("MAINPID={monitor}"))
    }

    /// The container runs, which is all that `--sdnotify=conmon` waits for. In one message: from the next on, only the new
    /// main process may speak.
    pub(super) fn report_running(&self, mode: Notify, monitor: i32) -> Result<(), NotifyError> {
        self.tell_if(mode == Notify::Conmon, || format!("MAINPID={monitor}\nREADY=1"))
    }

    fn tell_if(&self, wanted: bool, message: impl FnOnce() -> String) -> Result<(), NotifyError> {
        match &self.notify {
            Some(socket) if wanted => {
                tell(socket, &message()).map_err(|source| NotifyError { socket: socket.clone(), source })
            }
            _ => Ok(()),
        }
    }
}
