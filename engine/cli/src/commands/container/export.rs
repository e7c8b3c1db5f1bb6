//! `ketch export`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::container::export::export;

use crate::commands::archive::Archive;
use crate::globals::Globals;

/// Write a container's root as a tar archive, without its volumes
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Write to this file [default: stdout, unless it is a terminal]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    container: String,
}

pub(crate) fn run(globals: &Globals, Args { output, container }: Args) -> anyhow::Result<ExitCode> {
    if let Some(output) = &output {
        let text = output.to_string_lossy();
        // podman's words.
        ensure!(!text.contains(':'), "invalid filename (should not contain ':') {text:?}");
    }
    let engine = globals.engine()?;
    let record = engine.db.find_container(&container)?;
    let mut archive = Archive::create(output.as_deref(), "export")?;
    export(&engine, &record, &mut archive)?;
    archive.finish()?;
    Ok(ExitCode::SUCCESS)
}
