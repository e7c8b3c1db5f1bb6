//! `ketch pod unpause`

use std::process::ExitCode;

use ketch_engine::pod::pause::unpause;

use super::select::{Choice, each, id};
use crate::globals::Globals;

/// Let the processes of paused pods go on
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let chosen = args.choice.find(&engine)?;
    each(&chosen, id, |pod| Ok(unpause(&engine, pod)?))
}
