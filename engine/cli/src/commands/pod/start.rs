//! `ketch pod start`

use std::process::ExitCode;

use ketch_engine::pod::start::start;

use super::select::{Choice, each, name};
use crate::globals::Globals;

/// Start all containers of pods
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let chosen = args.choice.find(&engine)?;
    each(&chosen, name, |pod| Ok(start(&engine, pod)?))
}
