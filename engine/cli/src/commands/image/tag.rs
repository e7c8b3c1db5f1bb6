//! `ketch tag`

use std::process::ExitCode;

use clap::Parser;
use ketch_engine::image::tag;

use crate::globals::Globals;

/// Give an image more names
#[derive(Debug, Parser)]
pub(crate) struct Args {
    image: String,
    /// Names; one without a registry is put below localhost
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

pub(crate) fn run(globals: &Globals, Args { image, names }: Args) -> anyhow::Result<ExitCode> {
    tag(&globals.engine()?, &image, &names)?;
    Ok(ExitCode::SUCCESS)
}
