//! `ketch manifest rm`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::Engine;
use ketch_engine::image::index::is_index;
use ketch_engine::image::remove::{Removed, remove, sweep};

use crate::failure::Failure;
use crate::globals::Globals;

/// Remove indexes from local storage; their images stay
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// A missing one is no error
    #[arg(long, short)]
    ignore: bool,
    #[arg(required = true, value_name = "LIST")]
    lists: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let mut failure: Option<Failure> = None;
    for list in &args.lists {
        match remove_one(&engine, list, args.ignore) {
            Ok(()) => {}
            Err(error) => failure = Some(error.after(failure)),
        }
    }
    sweep(&engine)?;
    failure.map_or(Ok(ExitCode::SUCCESS), |failure| Err(failure.into()))
}

fn remove_one(engine: &Engine, list: &str, ignore: bool) -> Result<(), Failure> {
    let failed = |code, error: &dyn std::fmt::Display| Failure { code, message: error.to_string() };
    if !is_index(engine, list).map_err(|error| failed(125, &error))? {
        return match ketch_engine::image::find(engine, list) {
            Ok(_) => Err(failed(125, &format_args!("{list}: image is not a manifest list"))),
            Err(_) if ignore => Ok(()),
            // podman's code for what is not there.
            Err(error) => Err(failed(1, &error)),
        };
    }
    for removed in remove(engine, list, false).map_err(|error| failed(125, &error))? {
        let said = match removed {
            Removed::Untagged(name) => writeln!(std::io::stdout(), "Untagged: {name}"),
            Removed::Deleted(id) => writeln!(std::io::stdout(), "Deleted: {id}"),
        };
        said.map_err(|error| failed(125, &error))?;
    }
    Ok(())
}
