//! `ketch manifest exists`

use std::process::ExitCode;

use ketch_engine::image::index::is_index;

use crate::globals::Globals;

/// Exit with 0 when the index is in local storage, with 1 when it is not
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    list: String,
}

pub(crate) fn run(globals: &Globals, Args { list }: Args) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::from(u8::from(!is_index(&globals.engine()?, &list)?)))
}
