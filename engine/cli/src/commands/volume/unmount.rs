//! `ketch volume unmount`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::volume::find;

use crate::globals::Globals;

/// Take away what mount has mounted, which for a local volume is nothing
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    volume: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let volume = find(&engine, &args.volume)?;
    writeln!(std::io::stdout(), "{}", volume.name)?;
    Ok(ExitCode::SUCCESS)
}
