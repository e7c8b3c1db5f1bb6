//! `ketch container exists`

use std::process::ExitCode;

use ketch_engine::state::containers::FindError;

use crate::globals::Globals;

/// Exit with 0 when there is such a container, with 1 when there is none
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Count containers of other programs in the storage, too: there are none
    #[arg(long)]
    external: bool,
    container: String,
}

pub(crate) fn run(globals: &Globals, Args { container, external: _ }: Args) -> anyhow::Result<ExitCode> {
    match globals.engine()?.db.find_container(&container) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(FindError::NotFound(_)) => Ok(ExitCode::from(1)),
        Err(error) => Err(error.into()),
    }
}
