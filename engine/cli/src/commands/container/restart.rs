//! `ketch restart`

use std::collections::{HashSet, VecDeque};
use std::process::ExitCode;

use ketch_engine::container::restart::begin;
use ketch_engine::container::start::Start;
use ketch_engine::container::status;
use ketch_engine::image::{self, Image};

use super::select::{Containers, NOTHING, Selection, each};
use super::stop::warn;
use crate::globals::Globals;

/// Stop containers, and start them; those that do not run are started
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')), mut_arg("filter", |arg| arg.short('f')))]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Only those that run; without names, all of them
    #[arg(long)]
    running: bool,
    /// Seconds until SIGKILL; -1 for never [default: the container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let Selection { all, cidfile, filter, latest, names, .. } = &args.selection;
    let is_nothing_else = cidfile.is_empty() && filter.is_empty() && names.is_empty() && !latest;
    let selection = Selection { all: *all || (args.running && is_nothing_else), ..args.selection.clone() };
    let mut chosen = selection.find(&Containers(&engine), NOTHING)?;
    if args.running {
        chosen.retain(|chosen| status(&engine.paths, &chosen.item.id).is_alive());
    }
    // Whoever is named twice is restarted once.
    let mut seen = HashSet::new();
    chosen.retain(|chosen| seen.insert(chosen.item.id.clone()));
    // All are signalled before the first is waited for: together they take as long as the slowest.
    let mut begun: VecDeque<_> =
        chosen.iter().map(|chosen| begin(&engine, &chosen.item, args.time)).collect();
    each(chosen, |record| {
        let restarting = begun.pop_front().expect("one for each")?;
        let image: Option<Image> =
            record.image_id.as_deref().map(|id| image::find(&engine, id)).transpose()?;
        let how = Start { image: image.as_ref(), detached: true, ..Start::default() };
        let (stopped, _) = restarting.finish(&engine, record, how)?;
        warn(record, stopped);
        Ok(())
    })
}
