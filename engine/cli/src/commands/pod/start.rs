//! `ketch pod start`

use std::process::ExitCode;

use ketch_engine::pod::start::start;

use super::select::{NOTHING, Pods, Selection, as_asked, each};
use crate::globals::Globals;

/// Start all containers of pods
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
    each(&chosen, as_asked, |pod| Ok(start(&engine, pod)?))
}
