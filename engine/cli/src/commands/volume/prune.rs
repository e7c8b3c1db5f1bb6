//! `ketch volume prune`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::volume::prune::{candidates, prune};

use super::list::filters;
use crate::globals::Globals;
use crate::output::confirm;

/// Remove the volumes that no container uses
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// KEY=VALUE, as with ls
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    force: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let filters = filters(&engine, &args.filter)?;
    let names = candidates(&engine, &filters)?;
    if !args.force && !ask(&names)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = None;
    let mut out = std::io::stdout();
    prune(&engine, &names, |name, removed| match removed {
        // Nobody has to read it.
        Ok(()) => drop(writeln!(out, "{name}")),
        Err(error) => drop(failed.get_or_insert(error)),
    });
    failed.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()))
}

fn ask(names: &[String]) -> anyhow::Result<bool> {
    let mut warning = "WARNING! This will remove all volumes not used by at least one container. The following volumes will \
                       be removed:"
        .to_owned();
    if names.is_empty() {
        writeln!(std::io::stdout(), "{warning}\nNo dangling volumes found")?;
        return Ok(false);
    }
    for name in names {
        warning.extend(["\n", name]);
    }
    confirm(&warning)
}
