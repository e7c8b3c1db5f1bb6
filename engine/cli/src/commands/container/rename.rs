//! `ketch rename`

use std::process::ExitCode;

use ketch_engine::container::rename::rename;

use crate::globals::Globals;

/// Give a container another name
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    container: String,
    name: String,
}

pub(crate) fn run(globals: &Globals, Args { container, name }: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    rename(&engine, &engine.db.find_container(&container)?, &name)?;
    Ok(ExitCode::SUCCESS)
}
