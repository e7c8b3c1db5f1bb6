//! `ketch pod pause`

use std::process::ExitCode;

use ketch_engine::pod::pause::pause;

use super::select::{Choice, each, id};
use crate::globals::Globals;

/// Stop all processes of pods where they are
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let chosen = args.choice.find(&engine)?;
    each(&chosen, id, |pod| Ok(pause(&engine, pod)?))
}
