//! `ketch pod stop`

use std::process::ExitCode;

use ketch_engine::Engine;
use ketch_engine::pod::MemberError;
use ketch_engine::pod::stop::stop;
use ketch_engine::state::pods::Pod;

use super::select::{Choice, each, name};
use crate::commands::container::stop::warn;
use crate::globals::Globals;

/// Stop all containers of pods: their stop signal, and SIGKILL for those that do not end in time
#[derive(Debug, clap::Parser)]
#[command(mut_arg("ignore", |arg| arg.short('i')))]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Seconds until SIGKILL; -1 for never [default: each container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let chosen = args.choice.find(&engine)?;
    each(&chosen, name, |pod| stop_all(&engine, pod, args.time))
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
