//! `ketch init`

use std::process::ExitCode;

use ketch_engine::container::start::{Start, start};
use ketch_engine::container::status;
use ketch_engine::image::{self, Image};

use super::select::{Containers, NOTHING, each};
use crate::commands::select::Selection;
use crate::globals::Globals;

/// Make containers with all that they have but their command, which begins with start
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All that do not run; those that are made already are left alone
    #[arg(long, short)]
    all: bool,
    /// The one that was created last
    #[arg(long, short)]
    latest: bool,
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
}

pub(crate) fn run(globals: &Globals, Args { all, latest, names }: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let selection = Selection { all, latest, names, ..Selection::default() };
    let mut chosen = selection.find(&Containers(&engine), NOTHING)?;
    if all {
        chosen.retain(|chosen| !status(&engine.paths, &chosen.item.id).is_alive());
    }
    each(chosen, |record| {
        let image: Option<Image> =
            record.image_id.as_deref().map(|id| image::find(&engine, id)).transpose()?;
        let how = Start { image: image.as_ref(), detached: true, keep: true, ..Start::default() };
        start(&engine, record, how)?;
        Ok(())
    })
}
