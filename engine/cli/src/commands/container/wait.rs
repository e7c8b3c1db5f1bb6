//! `ketch wait`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::wait::{Condition, wait};

use super::select::Wanted;
use crate::globals::Globals;

/// Wait for containers to end, and print their exit codes
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// State to wait for, besides others: created, running, paused, stopping, stopped, exited [default: stopped]
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    condition: Vec<String>,
    /// Pass over containers that do not exist, and print -1 for them
    #[arg(long)]
    ignore: bool,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let mut conditions =
        args.condition.iter().map(|name| name.parse()).collect::<Result<Vec<Condition>, _>>()?;
    if conditions.is_empty() {
        conditions.push(Condition::Stopped);
    }
    let engine = globals.engine()?;
    let wanted = Wanted {
        names: &args.containers,
        all: false,
        latest: args.latest,
        ignore: args.ignore,
        nothing: "\"ketch wait\" requires a name, id, or the \"--latest\" flag",
    };
    let chosen = wanted.find(&engine)?;
    let missing = args.containers.len().saturating_sub(chosen.len());
    for chosen in chosen {
        let code = wait(&engine, &chosen.record, &conditions)?;
        writeln!(std::io::stdout(), "{code}")?;
    }
    for _ in 0..missing {
        writeln!(std::io::stdout(), "-1")?;
    }
    Ok(ExitCode::SUCCESS)
}
