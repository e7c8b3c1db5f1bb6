//! `ketch image exists`

use std::process::ExitCode;

use clap::Parser;
use ketch_engine::image::{FindError, find};

use crate::globals::Globals;

/// Exit with 0 when the image is in local storage, with 1 when it is not
#[derive(Debug, Parser)]
pub(crate) struct Args {
    image: String,
}

pub(crate) fn run(globals: &Globals, Args { image }: Args) -> anyhow::Result<ExitCode> {
    match find(&globals.engine()?, &image) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(FindError::Unknown(_)) => Ok(ExitCode::from(1)),
        Err(error) => Err(error.into()),
    }
}
