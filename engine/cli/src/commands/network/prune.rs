//! `ketch network prune`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::network::prune::{candidates, prune};

use super::list::filters;
use crate::globals::Globals;
use crate::output::confirm;

/// Remove the networks that no container is on
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// KEY=VALUE: label, until
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    force: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let filters = filters(&args.filter)?;
    if !args.force && !confirm("WARNING! This will remove all networks not used by at least one container.")?
    {
        return Ok(ExitCode::SUCCESS);
    }
    let engine = globals.engine()?;
    let names = candidates(&engine, &filters)?;
    let mut failed = None;
    prune(&engine, &names, |name, removed| match removed {
        // Nobody has to read it.
        Ok(()) => drop(writeln!(std::io::stdout(), "{name}")),
        Err(error) => drop(failed.get_or_insert(error)),
    })?;
    failed.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()))
}
