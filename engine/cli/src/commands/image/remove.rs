//! `ketch rmi`

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use ketch_engine::container::remove::Force;
use ketch_engine::image::reference::Reference;
use ketch_engine::image::remove::{RemoveError, Removed, remove, sweep};
use ketch_engine::image::{self, FindError};
use ketch_engine::{Engine, container, state};

use crate::failure::Failure;
use crate::globals::Globals;

/// Remove images from local storage
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Remove all images
    #[arg(short, long)]
    all: bool,
    /// Remove an image with all its names and the containers that use it; a missing one is no error
    #[arg(short, long)]
    force: bool,
    /// A missing image is no error
    #[arg(short, long)]
    ignore: bool,
    /// Keep images of no name that they were built from: ketch has none
    #[arg(long)]
    no_prune: bool,
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    match (args.all, args.images.is_empty()) {
        (false, true) => anyhow::bail!("image name or ID must be specified"),
        (true, false) => {
            anyhow::bail!("when using the --all switch, you may not pass any images names or IDs")
        }
        _ => {}
    }
    let engine = globals.engine()?;
    let ids = if args.all {
        image::list(&engine)?.into_iter().rev().map(|image| image.id).collect()
    } else {
        args.images
    };
    let mut errors = Vec::new();
    let mut out = std::io::stdout().lock();
    let mut deleted = Vec::new();
    for image in ids {
        match remove_one(&engine, &image, args.force, args.all || args.force) {
            Ok(removed) => {
                for removed in removed {
                    match removed {
                        Removed::Untagged(name) => writeln!(out, "Untagged: {name}")?,
                        // podman's order.
                        Removed::Deleted(id) => deleted.push(id),
                    }
                }
            }
            Err(error) if (args.force || args.ignore) && is_unknown(&error) => {}
            Err(error) => errors.push(error),
        }
    }
    for id in deleted {
        writeln!(out, "Deleted: {id}")?;
    }
    sweep(&engine)?;
    failure(&errors).map_or(Ok(ExitCode::SUCCESS), |failure| Err(failure.into()))
}

fn is_unknown(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(RemoveError::Find(FindError::Unknown(_))))
}

/// `force` takes the image's containers along, running or not.
fn remove_one(engine: &Engine, image: &str, force: bool, all_names: bool) -> anyhow::Result<Vec<Removed>> {
    loop {
        match remove(engine, image, all_names) {
            Err(RemoveError::InUse { containers, .. }) if force => {
                for id in containers {
                    match engine.db.find_container(&id) {
                        Ok(record) => {
                            container::remove::remove(engine, &record, Force::Stop { seconds: None }, true)?;
                        }
                        // Removed by another command since.
                        Err(state::containers::FindError::NotFound(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            result => return Ok(result?),
        }
    }
}

/// podman's exit codes: 2 when an image is in use, 1 when one is not there, 125 for all else.
fn failure(errors: &[anyhow::Error]) -> Option<Failure> {
    let code = |error: &anyhow::Error| match error.downcast_ref() {
        // Not missing: no image can be called that.
        Some(RemoveError::Find(FindError::Unknown(name))) if Reference::parse(name).is_err() => 125,
        Some(RemoveError::Find(FindError::Unknown(_))) => 1,
        Some(RemoveError::InUse { .. }) => 2,
        _ => 125,
    };
    let code = errors.iter().map(code).max()?;
    let message = match errors {
        [error] => format!("{error:#}"),
        _ => errors.iter().fold(format!("{} errors occurred:", errors.len()), |text, error| {
            format!("{text}\n\t* {error:#}")
        }),
    };
    Some(Failure { code, message })
}
