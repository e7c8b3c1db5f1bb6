//! `ketch pod top`

use std::process::ExitCode;

use ketch_engine::container::top::{TopError, top};

use super::select::one;
use crate::commands::container::top::{print, whose};
use crate::globals::Globals;

/// Show the processes of a pod's containers
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The pod that was created last; all words are columns then
    #[arg(long, short)]
    latest: bool,
    /// The pod, and the columns to show, as with `ketch top`
    #[arg(value_names = ["POD", "COLUMN..."], num_args = 0.., trailing_var_arg = true)]
    words: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let nothing = "you must provide the name or id of a running pod";
    let (pod, columns) = whose(&args.words, args.latest, |name| one(&engine, name, args.latest, nothing))?;
    let mut rows = Vec::new();
    for member in engine.db.members(&pod.id)? {
        match top(&engine, &member, &columns) {
            Ok(processes) => rows.extend(processes),
            Err(TopError::NotRunning) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // As with podman: a pod without processes has no heading either.
    if rows.is_empty() { Ok(ExitCode::SUCCESS) } else { print(&columns, rows) }
}
