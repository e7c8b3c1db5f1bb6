//! `ketch volume mount`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::volume::{find, mount_point};

use crate::globals::Globals;

/// Show where the host sees a volume, which for a local one is always there
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    volume: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let volume = find(&engine, &args.volume)?;
    writeln!(std::io::stdout(), "{}", mount_point(&engine.paths, &volume.name).display())?;
    Ok(ExitCode::SUCCESS)
}
