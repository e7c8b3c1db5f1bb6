//! `ketch volume exists`

use std::process::ExitCode;

use ketch_engine::volume::{FindError, find};

use crate::globals::Globals;

/// Say by the exit code whether a volume is there: 0 or 1
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    volume: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    match find(&globals.engine()?, &args.volume) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(FindError::NotFound(_)) => Ok(ExitCode::from(1)),
        Err(error) => Err(error.into()),
    }
}
