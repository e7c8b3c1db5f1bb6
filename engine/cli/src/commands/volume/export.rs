//! `ketch volume export`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use ketch_engine::volume::archive::export;

use crate::commands::archive::Archive;
use crate::globals::Globals;

/// Write what is in a volume as a tar archive
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Write to this file [default: stdout, unless it is a terminal]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let [volume] = &args.volumes[..] else {
        bail!("accepts 1 arg(s), received {}", args.volumes.len());
    };
    let engine = globals.engine()?;
    let mut archive = Archive::create(args.output.as_deref(), "export")?;
    export(&engine, volume, &mut archive)?;
    archive.finish()?;
    Ok(ExitCode::SUCCESS)
}
