//! `ketch secret exists`

use std::process::ExitCode;

use ketch_engine::secret::FindSecretError;

use crate::globals::Globals;

/// Say by the exit code whether a secret is there: 0 or 1
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    secret: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    match globals.engine()?.db.find_secret(&args.secret) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(FindSecretError::NotFound(_)) => Ok(ExitCode::from(1)),
        Err(error) => Err(error.into()),
    }
}
