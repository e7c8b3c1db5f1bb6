use std::process::ExitCode;

use anyhow::bail;
use ketch_cgroups::Cgroup;
use ketch_runtime::container::state::{State, Status};

use crate::globals::Globals;

/// Freeze all processes of a container
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let root = globals.root();
    let state = State::load(&root, &args.container)?;
    let status = state.status(&root);
    if !matches!(status, Status::Running | Status::Created) {
        bail!("container not running or created: {:?} is {status}", args.container);
    }
    Cgroup::open(state.cgroup).freeze(true)?;
    Ok(ExitCode::SUCCESS)
}
