//! `ketch pod pause`

use std::process::ExitCode;

use ketch_engine::pod::pause::pause;

use super::select::{NOTHING, Pods, Selection, each, id};
use crate::globals::Globals;

/// Stop all processes of pods where they are
#[derive(Debug, clap::Parser)]
#[command(
    mut_arg("all", |arg| arg.short('a')),
    mut_arg("cidfile", |arg| arg.long("pod-id-file")),
    mut_arg("names", |arg| arg.value_name("POD"))
)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let chosen = args.selection.find(&Pods(&engine), NOTHING)?;
    each(&chosen, id, |pod| Ok(pause(&engine, pod)?))
}
