//! `ketch network disconnect`

use std::process::ExitCode;

use ketch_engine::network::connect::{ConnectError, disconnect};
use ketch_engine::state::containers::FindError;

use crate::globals::Globals;

/// Take a container off a network
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// A container that does not exist is no error
    #[arg(long, short)]
    force: bool,
    network: String,
    container: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    match disconnect(&globals.engine()?, &args.container, &args.network) {
        Err(ConnectError::Container(FindError::NotFound(_))) if args.force => {}
        done => done?,
    }
    Ok(ExitCode::SUCCESS)
}
