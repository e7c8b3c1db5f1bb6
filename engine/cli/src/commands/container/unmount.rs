//! `ketch unmount`

use std::process::ExitCode;

use ketch_engine::container::mount::{mount_point, unmount};

use super::mount::in_namespaces;
use super::select::{Containers, NOTHING, Selection, each};
use crate::globals::Globals;

/// Take away what mount has mounted
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')))]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Also what is in use; every unmount is so
    #[arg(long, short)]
    force: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    in_namespaces("unmount")?;
    let engine = globals.engine()?;
    let mut chosen = args.selection.find(&Containers(&engine), NOTHING)?;
    if args.selection.all {
        chosen.retain(|chosen| mount_point(&engine, &chosen.item).is_some());
    }
    each(chosen, |record| Ok(unmount(&engine, record)?))
}
