//! `ketch pod kill`

use std::process::ExitCode;

use ketch_engine::pod::kill::kill;

use super::select::{NOTHING, Pods, Selection, each, id};
use crate::commands::container::kill::signal_number;
use crate::globals::Globals;

/// Send a signal to all containers of pods
#[derive(Debug, clap::Parser)]
#[command(
    mut_arg("all", |arg| arg.short('a')),
    mut_arg("cidfile", |arg| arg.long("pod-id-file")),
    mut_arg("names", |arg| arg.value_name("POD"))
)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Name or number
    #[arg(long, short, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let signal = signal_number(&args.signal)?;
    let engine = globals.engine()?;
    let chosen = args.selection.find(&Pods(&engine), NOTHING)?;
    each(&chosen, id, |pod| Ok(kill(&engine, pod, signal)?))
}
