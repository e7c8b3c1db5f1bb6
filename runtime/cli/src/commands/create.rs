use std::process::ExitCode;

use anyhow::Context;

use crate::bundle::{self, Flags, Life};
use crate::globals::Globals;

/// Make a container from a bundle; its program waits for start
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The new container's id
    container: String,

    #[command(flatten)]
    flags: Flags,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    bundle::create(globals, &args.container, &args.flags, Life::StartedByOther)
        .with_context(|| format!("cannot create container {:?}", args.container))?;
    Ok(ExitCode::SUCCESS)
}
