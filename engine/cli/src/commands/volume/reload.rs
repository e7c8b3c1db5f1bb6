//! `ketch volume reload`

use std::process::ExitCode;

use crate::globals::Globals;

/// Ask volume plugins for their volumes: there are no plugins, and nothing to do
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {}

pub(crate) fn run(globals: &Globals, _: Args) -> anyhow::Result<ExitCode> {
    globals.engine()?;
    Ok(ExitCode::SUCCESS)
}
