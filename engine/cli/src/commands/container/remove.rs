//! `ketch rm`

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::remove::{Force, RemoveError, remove};
use ketch_engine::container::stop::begin;
use ketch_engine::container::sweep::sweep;
use ketch_engine::state::containers::FindError;

use super::select::{Wanted, each};
use super::stop::warn;
use crate::failure::Failure;
use crate::globals::Globals;

/// podman's exit codes.
const NO_SUCH: u8 = 1;
const RUNNING: u8 = 2;

/// Remove containers
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Remove all containers
    #[arg(long, short)]
    all: bool,
    /// Stop those that run; pass over those that do not exist
    #[arg(long, short)]
    force: bool,
    /// Pass over containers that do not exist
    #[arg(long, short)]
    ignore: bool,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// With --force, seconds until SIGKILL; -1 for never [default: the container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Remove anonymous volumes too
    #[arg(long, short)]
    volumes: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let wanted = Wanted {
        names: &args.containers,
        all: args.all,
        latest: args.latest,
        ignore: args.ignore || args.force,
        nothing: "you must provide at least one name or id",
    };
    let chosen = wanted.find(&engine).map_err(no_such)?;
    let force = if args.force { Force::Stop { seconds: args.time } } else { Force::No };
    let mut begun = HashMap::new();
    if args.force && chosen.len() > 1 {
        // All are asked to end before the first is waited for.
        for chosen in &chosen {
            // What is wrong with one is said in its turn.
            if let Ok(stopping) = begin(&engine, &chosen.record, args.time) {
                begun.insert(chosen.record.id.clone(), stopping);
            }
        }
    }
    let removed = each(chosen, |record| {
        if let Some(stopping) = begun.remove(&record.id) {
            warn(record, stopping.finish(&engine, record)?);
        }
        let stopped = remove(&engine, record, force, args.volumes).map_err(|error| match error {
            RemoveError::Alive { .. } => Failure { code: RUNNING, message: error.to_string() }.into(),
            error => anyhow::Error::from(error),
        })?;
        warn(record, stopped);
        Ok(())
    });
    if args.all {
        sweep(&engine)?;
    }
    std::io::stdout().flush()?;
    removed
}

fn no_such(error: anyhow::Error) -> anyhow::Error {
    let message = match error.downcast_ref::<FindError>() {
        Some(FindError::NotFound(name)) => {
            format!("no container with ID or name {name:?} found: no such container")
        }
        Some(FindError::NoneYet) => "no such container".to_owned(),
        _ => return error,
    };
    Failure { code: NO_SUCH, message }.into()
}
