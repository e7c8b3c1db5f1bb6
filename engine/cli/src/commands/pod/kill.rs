//! `ketch pod kill`

use std::process::ExitCode;

use ketch_engine::pod::kill::kill;

use super::select::{Choice, each, id};
use crate::commands::container::kill::signal_number;
use crate::globals::Globals;

/// Send a signal to all containers of pods
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Name or number
    #[arg(long, short, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let signal = signal_number(&args.signal)?;
    let engine = globals.engine()?;
    let chosen = args.choice.find(&engine)?;
    each(&chosen, id, |pod| Ok(kill(&engine, pod, signal)?))
}
