//! `ketch pod stop`

use std::path::PathBuf;
use std::process::ExitCode;

use ketch_engine::Engine;
use ketch_engine::pod::MemberError;
use ketch_engine::pod::stop::stop;
use ketch_engine::state::pods::Pod;

use super::select::{Selection, as_asked, each};
use crate::commands::container::stop::warn;
use crate::globals::Globals;

/// Stop all containers of pods: their stop signal, and SIGKILL for those that do not end in time
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Pass over pods that do not exist
    #[arg(long, short)]
    ignore: bool,
    /// Read a pod's id from this file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Vec<PathBuf>,
    /// Seconds until SIGKILL; -1 for never [default: each container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let chosen = args.selection.find_with(&engine, &args.pod_id_file, args.ignore)?;
    each(&chosen, as_asked, |pod| stop_all(&engine, pod, args.time))
}

/// Stops them and warns of those that did not listen.
pub(super) fn stop_all(engine: &Engine, pod: &Pod, seconds: Option<i64>) -> anyhow::Result<Vec<MemberError>> {
    let mut failed = Vec::new();
    for (record, stopped) in stop(engine, pod, seconds)? {
        match stopped {
            Ok(how) => warn(&record, how),
            Err(error) => failed.push(error),
        }
    }
    Ok(failed)
}
