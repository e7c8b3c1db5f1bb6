//! `ketch manifest remove`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::image::index::remove_instance;

use crate::globals::Globals;

/// Take an image out of an index
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    list: String,
    digest: String,
}

pub(crate) fn run(globals: &Globals, Args { list, digest }: Args) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout(), "{}", remove_instance(&globals.engine()?, &list, &digest)?)?;
    Ok(ExitCode::SUCCESS)
}
