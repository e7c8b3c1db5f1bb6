//! `ketch pod exists`

use std::process::ExitCode;

use ketch_engine::state::pods::FindPodError;

use crate::globals::Globals;

/// Exit with 0 when there is such a pod, with 1 when there is none
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    pod: String,
}

pub(crate) fn run(globals: &Globals, Args { pod }: Args) -> anyhow::Result<ExitCode> {
    match globals.engine()?.db.find_pod(&pod) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(FindPodError::NotFound(_)) => Ok(ExitCode::from(1)),
        Err(error) => Err(error.into()),
    }
}
