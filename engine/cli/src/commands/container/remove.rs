//! `ketch rm`

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;

use ketch_engine::Engine;
use ketch_engine::container::join::dependencies;
use ketch_engine::container::remove::{Force, RemoveError, remove};
use ketch_engine::container::stop::begin;
use ketch_engine::container::sweep::sweep;
use ketch_engine::state::containers::{FindError, Record};
use ketch_engine::state::pods::FindPodError;

use super::select::{Containers, NOTHING, Selection, each};
use super::stop::warn;
use crate::commands::pod::remove_pod;
use crate::commands::select::Chosen;
use crate::failure::Failure;
use crate::globals::Globals;

/// podman's exit codes.
const NO_SUCH: u8 = 1;
const RUNNING: u8 = 2;

/// Remove containers
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')), mut_arg("ignore", |arg| arg.short('i')))]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Remove the containers that depend on them, too
    #[arg(long)]
    depend: bool,
    /// Stop those that run; pass over those that do not exist
    #[arg(long, short)]
    force: bool,
    /// With --force, seconds until SIGKILL; -1 for never [default: the container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Remove anonymous volumes too
    #[arg(long, short)]
    volumes: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let all = args.selection.all;
    let selection = Selection { ignore: args.selection.ignore || args.force, ..args.selection };
    let mut chosen = selection.find(&Containers(&engine), NOTHING).map_err(no_such)?;
    if args.depend {
        add_dependents(&engine, &mut chosen)?;
    }
    // Whoever joins another's namespaces is younger, and goes first.
    if chosen.iter().any(|chosen| !dependencies(&chosen.item.options).is_empty()) {
        chosen.sort_by(|a, b| b.item.created.cmp(&a.item.created));
    }
    let force = if args.force { Force::Stop { seconds: args.time } } else { Force::No };
    let mut begun = HashMap::new();
    if args.force && chosen.len() > 1 {
        // All are asked to end before the first is waited for.
        for chosen in &chosen {
            // What is wrong with one is said in its turn.
            if let Ok(stopping) = begin(&engine, &chosen.item, args.time) {
                begun.insert(chosen.item.id.clone(), stopping);
            }
        }
    }
    let removed = each(chosen, |record| {
        if let Some(stopping) = begun.remove(&record.id) {
            warn(record, stopping.finish(&engine, record)?);
        }
        // With --all a pod goes with its infra container.
        if all && record.options.infra {
            return match engine.db.find_pod(record.options.pod.as_deref().unwrap_or_default()) {
                Ok(pod) => remove_pod(&engine, &pod, force),
                Err(FindPodError::NotFound(_)) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        let stopped = remove(&engine, record, force, args.volumes).map_err(|error| match error {
            RemoveError::Alive { .. } => Failure { code: RUNNING, message: error.to_string() }.into(),
            error => anyhow::Error::from(error),
        })?;
        warn(record, stopped);
        Ok(())
    });
    if all {
        sweep(&engine)?;
    }
    std::io::stdout().flush()?;
    removed
}

/// Those that depend on one of `chosen`, those that depend on these, and so on.
fn add_dependents(engine: &Engine, chosen: &mut Vec<Chosen<Record>>) -> anyhow::Result<()> {
    let mut at = 0;
    while let Some(id) = chosen.get(at).map(|chosen| chosen.item.id.clone()) {
        for dependent in engine.db.dependents(&id)? {
            if !chosen.iter().any(|chosen| chosen.item.id == dependent) {
                let item = engine.db.find_container(&dependent)?;
                chosen.push(Chosen { shown: item.id.clone(), item });
            }
        }
        at += 1;
    }
    Ok(())
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
