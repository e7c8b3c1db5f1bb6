//! `ketch kill`

use std::process::ExitCode;

use anyhow::bail;
use ketch_engine::container::kill::kill;
use ketch_engine::container::status;
use ketch_engine::spec::signal;

use super::select::{Wanted, each};
use crate::globals::Globals;

/// Send a signal to containers
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Signal all containers that run
    #[arg(long, short)]
    all: bool,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Name or number
    #[arg(long, short, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let signal = signal_number(&args.signal)?;
    let engine = globals.engine()?;
    let wanted = Wanted {
        names: &args.containers,
        all: args.all,
        latest: args.latest,
        ignore: false,
        nothing: "you must provide at least one name or id",
    };
    let mut chosen = wanted.find(&engine)?;
    if args.all {
        chosen.retain(|chosen| status(&engine.paths, &chosen.record.id).is_alive());
    }
    each(chosen, |record| Ok(kill(&engine, record, signal)?))
}

/// The signal of `--signal`, with podman's words for what is none.
pub(crate) fn signal_number(text: &str) -> anyhow::Result<i32> {
    match (signal(text), text.parse::<u32>()) {
        (Some(number), _) => Ok(number),
        (None, Ok(1..)) => bail!("valid signals are 1 through 64"),
        (None, _) => bail!("invalid signal: {text}"),
    }
}
