//! `ketch system renumber`

use std::process::ExitCode;

use crate::globals::Globals;

/// Give containers other lock numbers: ketch's locks have no numbers that run out, and there is nothing to do
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {}

pub(crate) fn run(globals: &Globals, _: Args) -> anyhow::Result<ExitCode> {
    globals.engine()?;
    Ok(ExitCode::SUCCESS)
}
