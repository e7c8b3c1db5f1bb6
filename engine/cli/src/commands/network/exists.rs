//! `ketch network exists`

use std::process::ExitCode;

use ketch_engine::state::networks::FindNetworkError;

use crate::globals::Globals;

/// Exit with 0 when there is such a network, with 1 when there is not
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    network: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    match globals.engine()?.db.find_network(&args.network) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(FindNetworkError::NotFound(_)) => Ok(ExitCode::from(1)),
        Err(error) => Err(error.into()),
    }
}
