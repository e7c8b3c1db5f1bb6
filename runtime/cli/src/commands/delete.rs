use std::process::ExitCode;

use ketch_runtime::container::delete::delete;

use crate::globals::Globals;
use crate::{chosen, report};

/// Remove what a stopped container has left: cgroups, state, and the poststop hooks to run
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,

    /// CONTAINER is a regular expression: delete every container whose id it is found in
    #[arg(short, long)]
    regex: bool,

    /// Kill it first if it runs; a container that does not exist is no error
    #[arg(short, long)]
    force: bool,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    chosen::each(globals, &args.container, args.regex, |id| {
        let deleted = delete(&globals.root(), id, args.force)?;
        deleted.warnings.iter().for_each(|warning| report::warning(globals, warning));
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
