use std::process::ExitCode;

use anyhow::Context;
use ketch_runtime::container::processes::processes;
use ketch_runtime::container::state::State;

use super::list::Format;
use crate::globals::Globals;
use crate::report;

mod column;
mod process;
mod table;

use process::{Now, Process};

/// List the processes of a container
///
/// They are read from the host's /proc; no program runs for it.
#[derive(Debug, clap::Parser)]
#[command(override_usage = "ketchrun ps [OPTIONS] <CONTAINER> [PS OPTIONS]...")]
pub(crate) struct Args {
    /// The container's id
    container: String,

    /// Options of ps: -e, -A, -f, -o LIST, aux [default: -ef]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PS OPTIONS")]
    options: Vec<String>,

    /// How to print them; json is a list of process ids
    #[arg(short, long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let columns = table::columns(&args.options)?;
    let state = State::load(&globals.root(), &args.container)?;
    let mut pids = processes(&state)?;
    pids.sort_unstable();
    let text = match args.format {
        Format::Json => serde_json::to_string(&pids)? + "\n",
        Format::Table => {
            let processes: Vec<Process> = pids.into_iter().filter_map(Process::read).collect();
            table::print(&columns, &processes, Now::read().context("cannot tell the time")?)
        }
    };
    report::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
