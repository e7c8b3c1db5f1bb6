//! `ketch container cleanup`

use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::container::remove::{Force, remove};
use ketch_engine::container::tidy::tidy;
use ketch_engine::image;

use super::select::{Containers, each};
use crate::commands::select::Selection;
use crate::globals::Globals;

/// Give back what containers that have ended still hold, which is something only when a monitor was killed
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All containers that have ended
    #[arg(long, short)]
    all: bool,
    /// An exec session: not available
    #[arg(long, value_name = "SESSION")]
    exec: Option<String>,
    /// The one that was created last
    #[arg(long, short)]
    latest: bool,
    /// Remove them too
    #[arg(long)]
    rm: bool,
    /// Remove their images too, unless others use them
    #[arg(long)]
    rmi: bool,
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    if let Some(session) = &args.exec {
        bail!("--exec {session} is not available: nothing is kept of a process that exec has started");
    }
    ensure!(!args.rmi || args.rm, "--rmi needs --rm: an image that a container has cannot be removed");
    let engine = globals.engine()?;
    // podman passes over those that are not there.
    let selection = Selection {
        all: args.all,
        latest: args.latest,
        ignore: true,
        names: args.names,
        ..Selection::default()
    };
    let mut chosen = selection.find(&Containers(&engine), "you must provide at least one name or id")?;
    if args.all {
        let status = |id: &str| ketch_engine::container::status(&engine.paths, id);
        chosen.retain(|chosen| !status(&chosen.item.id).is_alive());
    }
    each(chosen, |record| {
        tidy(&engine, record)?;
        if args.rm {
            remove(&engine, record, Force::No, true)?;
        }
        if let (true, Some(image)) = (args.rmi, &record.image_id) {
            image::remove::remove(&engine, image, false)?;
            image::remove::sweep(&engine)?;
        }
        Ok(())
    })
}
