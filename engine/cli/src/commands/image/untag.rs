//! `ketch untag`

use std::process::ExitCode;

use clap::Parser;
use ketch_engine::image::untag;

use crate::globals::Globals;

/// Take names from an image, which stays
#[derive(Debug, Parser)]
pub(crate) struct Args {
    image: String,
    /// Names to take [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub(crate) fn run(globals: &Globals, Args { image, names }: Args) -> anyhow::Result<ExitCode> {
    untag(&globals.engine()?, &image, &names)?;
    Ok(ExitCode::SUCCESS)
}
