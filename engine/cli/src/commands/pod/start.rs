//! `ketch pod start`

use std::path::PathBuf;
use std::process::ExitCode;

use ketch_engine::pod::start::start;

use super::select::{Selection, as_asked, each};
use crate::globals::Globals;

/// Start all containers of pods
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Read a pod's id from this file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Vec<PathBuf>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let chosen = args.selection.find_with(&engine, &args.pod_id_file, false)?;
    each(&chosen, as_asked, |pod| Ok(start(&engine, pod)?))
}
