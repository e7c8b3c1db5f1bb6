//! `create`: everything up to the point where init waits for `start`.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::state::State;
use crate::spec::Spec;

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
    pub stdio: Stdio<'a>,
    /// Descriptors 3.. that init keeps.
    pub preserve_fds: u32,
    pub pid_file: Option<&'a Path>,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    /// `create` (true): init waits on a FIFO below `root`, for another process to `start` it.
    /// `run` (false): init waits on the channel, and [`Created::start`] is the only way.
    pub start_by_other: bool,
}

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

/// A container whose init waits to be started.
#[derive(Debug)]
pub struct Created {
    pub state: State,
    /// init is a child of the calling process; readable when it has ended.
    pub pidfd: OwnedFd,
    /// The pty's master, for [`Stdio::Pty`].
    pub console: Option<OwnedFd>,
}

/// Why a container could not be made. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("container {0:?} exists already")]
    Exists(String),
    #[error(transparent)]
    Step(#[from] crate::step::StepError),
}

/// Makes the container: namespaces, cgroups, root, console; init then waits.
///
/// The calling process must have one thread. On error everything is undone.
pub fn create(_spec: &Spec, _options: Options<'_>) -> Result<Created, CreateError> {
    todo!()
}

impl Created {
    /// Lets init go on (for `start_by_other == false`), and returns when it has called `execve`, or with its error.
    pub fn start(&mut self) -> Result<(), CreateError> {
        todo!()
    }
}
