//! `ketch pod restart`

use std::process::ExitCode;

use ketch_engine::pod::start::start;

use super::select::{NOTHING, Pods, Selection, each, id};
use super::stop::stop_all;
use crate::globals::Globals;

/// Stop pods and start all of their containers
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
    each(&chosen, id, |pod| {
        let mut failed = stop_all(&engine, pod, None)?;
        failed.extend(start(&engine, pod)?);
        Ok(failed)
    })
}
