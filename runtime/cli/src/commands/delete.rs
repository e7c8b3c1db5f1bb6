use std::process::ExitCode;

use ketch_runtime::container::delete::delete;

use crate::globals::Globals;
use crate::report;

/// Remove what a stopped container has left: cgroups, state, and the poststop hooks to run
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,

    /// Kill it first if it runs; a container that does not exist is no error
    #[arg(short, long)]
    force: bool,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let deleted = delete(&globals.root(), &args.container, args.force)?;
    deleted.warnings.iter().for_each(|warning| report::warning(globals, warning));
    Ok(ExitCode::SUCCESS)
}
