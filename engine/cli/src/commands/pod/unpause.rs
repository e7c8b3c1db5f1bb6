//! `ketch pod unpause`

use std::process::ExitCode;

use ketch_engine::pod::pause::unpause;

use super::select::{NOTHING, Pods, Selection, each, id};
use crate::globals::Globals;

/// Let the processes of paused pods go on
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
    each(&chosen, id, |pod| Ok(unpause(&engine, pod)?))
}
