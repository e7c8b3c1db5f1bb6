//! `ketch image prune`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::Engine;
use ketch_engine::image::remove::{RemoveError, remove, sweep};
use ketch_engine::image::{self, FindError, Image};

use super::filter::filters;
use crate::globals::Globals;
use crate::output::confirm;

/// Remove images that have no name, or that no container uses
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All that no container uses, and not only those without a name
    #[arg(long, short)]
    all: bool,
    /// Remove what builds have cached: ketch has no such cache
    #[arg(long)]
    build_cache: bool,
    /// Remove those that containers of other programs use: the store has none
    #[arg(long)]
    external: bool,
    /// Only those that KEY=VALUE is true of: as with images
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    force: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let images = chosen(&engine, args.all, &args.filter)?;
    let warning = match args.all {
        true => {
            "WARNING! This command removes all images without at least one container associated with them."
        }
        false => "WARNING! This command removes all dangling images.",
    };
    if !args.force && !confirm(warning)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed: Option<anyhow::Error> = None;
    remove_all(&engine, &images, &mut |id, result| {
        match result {
            Ok(()) => writeln!(std::io::stdout(), "{id}")?,
            Err(error) => drop(failed.get_or_insert(error)),
        }
        Ok(())
    })?;
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Those without a name, or with `all` all of them, that the filters admit.
pub(crate) fn chosen(engine: &Engine, all: bool, filter: &[String]) -> anyhow::Result<Vec<Image>> {
    let images = image::list(engine)?;
    let filters = filters(engine, filter, &images)?;
    let is_chosen =
        |image: &Image| (all || image.names.is_empty()) && filters.iter().all(|filter| filter.matches(image));
    Ok(images.into_iter().filter(is_chosen).collect())
}

/// Removes those that no container uses. `done` is told of each what came of it, but of one that is used or gone.
pub(crate) fn remove_all(
    engine: &Engine,
    images: &[Image],
    done: &mut dyn FnMut(String, anyhow::Result<()>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for image in images {
        match remove(engine, &image.id, true) {
            Ok(_) => done(image.id.clone(), Ok(()))?,
            // That somebody needs it, or was faster, is as it should be.
            Err(RemoveError::InUse { .. } | RemoveError::Find(FindError::Unknown(_))) => {}
            Err(error) => done(image.id.clone(), Err(error.into()))?,
        }
    }
    Ok(sweep(engine)?)
}
