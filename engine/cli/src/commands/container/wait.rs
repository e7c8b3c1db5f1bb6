//! `ketch wait`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::wait::{Condition, wait};

use super::select::{Containers, Selection};
use crate::globals::Globals;

/// Wait for containers to end, and print their exit codes
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// State to wait for, besides others: created, running, paused, stopping, stopped, exited [default: stopped]
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    condition: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let mut conditions =
        args.condition.iter().map(|name| name.parse()).collect::<Result<Vec<Condition>, _>>()?;
    if conditions.is_empty() {
        conditions.push(Condition::Stopped);
    }
    let engine = globals.engine()?;
    let nothing = "\"ketch wait\" requires a name, id, or the \"--latest\" flag";
    let chosen = args.selection.find(&Containers(&engine), nothing)?;
    // With --ignore, whoever is not there has ended with -1.
    let missing = args.selection.names.len().saturating_sub(chosen.len());
    for chosen in chosen {
        let code = wait(&engine, &chosen.item, &conditions)?;
        writeln!(std::io::stdout(), "{code}")?;
    }
    for _ in 0..missing {
        writeln!(std::io::stdout(), "-1")?;
    }
    Ok(ExitCode::SUCCESS)
}
