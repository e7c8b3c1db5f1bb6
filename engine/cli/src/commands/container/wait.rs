//! `ketch wait`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use ketch_engine::container::wait::{Condition, wait, wait_any};

use super::select::{Containers, Selection};
use crate::globals::Globals;
use crate::output::length;

/// Wait for containers to end, and print their exit codes
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Wait for one of them only, whichever is first
    #[arg(long)]
    exit_first_match: bool,
    /// Time between looks (250ms): ketch is told of what happens, and needs none
    #[arg(long, short, value_name = "DURATION", default_value = "250ms", hide_default_value = true, value_parser = interval)]
    interval: Duration,
    /// State to wait for, besides others: created, running, paused, stopping, stopped, exited, healthy, unhealthy [default:
    /// stopped]
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
    if args.exit_first_match && !chosen.is_empty() && missing == 0 {
        let records: Vec<_> = chosen.into_iter().map(|chosen| chosen.item).collect();
        writeln!(std::io::stdout(), "{}", wait_any(&engine, &records, &conditions)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for chosen in chosen {
        let code = wait(&engine, &chosen.item, &conditions)?;
        writeln!(std::io::stdout(), "{code}")?;
    }
    for _ in 0..missing {
        writeln!(std::io::stdout(), "-1")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Go's durations, or milliseconds.
fn interval(text: &str) -> Result<Duration, String> {
    let milliseconds = || text.parse().ok().map(Duration::from_millis);
    length(text).or_else(milliseconds).ok_or_else(|| format!("invalid duration {text:?}"))
}
