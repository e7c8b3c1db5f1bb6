//! `ketch pod restart`

use std::process::ExitCode;

use ketch_engine::pod::start::start;

use super::select::{Choice, each, id};
use super::stop::stop_all;
use crate::globals::Globals;

/// Stop pods and start all of their containers
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let chosen = args.choice.find(&engine)?;
    each(&chosen, id, |pod| {
        let mut failed = stop_all(&engine, pod, None)?;
        failed.extend(start(&engine, pod)?);
        Ok(failed)
    })
}
