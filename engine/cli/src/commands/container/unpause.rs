//! `ketch unpause`

use std::process::ExitCode;

use ketch_engine::container::pause::unpause;
use ketch_engine::container::{Status, status};

use super::select::{Containers, NOTHING, Selection, each};
use crate::globals::Globals;

/// Let the processes of paused containers go on
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')), mut_arg("filter", |arg| arg.short('f')))]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(globals: &Globals, Args { selection }: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let mut chosen = selection.find(&Containers(&engine), NOTHING)?;
    if selection.all {
        chosen.retain(|chosen| matches!(status(&engine.paths, &chosen.item.id), Status::Paused { .. }));
    }
    each(chosen, |record| Ok(unpause(&engine, record)?))
}
