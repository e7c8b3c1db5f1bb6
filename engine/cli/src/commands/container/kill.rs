//! `ketch kill`

use std::process::ExitCode;

use anyhow::bail;
use ketch_engine::container::kill::kill;
use ketch_engine::container::status;
use ketch_engine::spec::signal;

use super::select::{Containers, NOTHING, Selection, each};
use crate::globals::Globals;

/// Send a signal to containers
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')))]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Name or number
    #[arg(long, short, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let signal = match (signal(&args.signal), args.signal.parse::<u32>()) {
        (Some(number), _) => number,
        (None, Ok(1..)) => bail!("valid signals are 1 through 64"),
        (None, _) => bail!("invalid signal: {}", args.signal),
    };
    let engine = globals.engine()?;
    let mut chosen = args.selection.find(&Containers(&engine), NOTHING)?;
    if args.selection.all {
        chosen.retain(|chosen| status(&engine.paths, &chosen.item.id).is_alive());
    }
    each(chosen, |record| Ok(kill(&engine, record, signal)?))
}
