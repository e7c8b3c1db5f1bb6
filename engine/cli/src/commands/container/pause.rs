//! `ketch pause`

use std::process::ExitCode;

use ketch_engine::container::pause::pause;
use ketch_engine::container::{Status, status};

use super::select::{Containers, NOTHING, Selection, each};
use crate::globals::Globals;

/// Stop all processes of containers where they are
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
        chosen.retain(|chosen| matches!(status(&engine.paths, &chosen.item.id), Status::Running { .. }));
    }
    each(chosen, |record| Ok(pause(&engine, record)?))
}
