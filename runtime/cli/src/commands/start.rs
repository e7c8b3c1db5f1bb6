use std::process::ExitCode;

use ketch_runtime::container::start::start;

use crate::globals::Globals;

/// Let a created container's program go on
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    start(&globals.root(), &args.container)?;
    Ok(ExitCode::SUCCESS)
}
