//! `ketch container prune`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::prune::prune;

use super::filter::{Others, filters};
use crate::globals::Globals;
use crate::output::confirm;

/// Remove all containers that do not run
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Only those that KEY=VALUE is true of: label, label!, until
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    force: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    for filter in &args.filter {
        let key = filter.split('=').next().unwrap_or_default();
        anyhow::ensure!(["label", "label!", "until"].contains(&key), "{key} is an invalid filter");
    }
    let engine = globals.engine()?;
    let filters = filters(&engine, &args.filter)?;
    if !args.force && !confirm("WARNING! This will remove all non running containers.")? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed: Option<anyhow::Error> = None;
    for pruned in prune(&engine, &filters, &Others(&engine))? {
        match pruned.result {
            Ok(()) => writeln!(std::io::stdout(), "{}", pruned.id)?,
            Err(error) => {
                if let Some(earlier) = failed.replace(error.into()) {
                    crate::failure::report(&earlier);
                }
            }
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}
