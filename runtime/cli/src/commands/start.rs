use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ketch_runtime::container::start::start;
use ketch_runtime::container::state::{State, Status};
use ketch_sys::pidfd;

use crate::globals::Globals;
use crate::notify::{self, Notify};

/// Let a created container's program go on
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let root = globals.root();
    let waiting = match notify::service() {
        Some(service) => Waiting::prepare(&root, &args.container, service)?,
        None => None,
    };
    start(&root, &args.container)?;
    if let Some(Waiting { notify, init, pid }) = waiting {
        notify.wait(globals, &init, pid)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a start for a service waits with for the container's readiness, made before anything can come.
struct Waiting {
    notify: Notify,
    init: OwnedFd,
    pid: i32,
}

impl Waiting {
    /// `None`: the container was made for no service, or cannot be started.
    fn prepare(root: &Path, id: &str, service: PathBuf) -> anyhow::Result<Option<Waiting>> {
        let state = State::load(root, id)?;
        if state.status(root) != Status::Created {
            return Ok(None);
        }
        let Ok(init) = pidfd::open(state.pid) else { return Ok(None) };
        let notify = Notify::bind(root, id, service)?;
        Ok(notify.map(|notify| Waiting { notify, init, pid: state.pid }))
    }
}
