//! `ketch stop`

use std::collections::VecDeque;
use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::stop::{Stopped, begin};
use ketch_engine::state::containers::Record;

use super::select::{Wanted, each};
use crate::globals::Globals;

/// Stop containers: their stop signal, and SIGKILL for those that do not end in time
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Stop all containers that run
    #[arg(long, short)]
    all: bool,
    /// Pass over containers that do not exist
    #[arg(long, short)]
    ignore: bool,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Seconds until SIGKILL; -1 for never [default: the container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let wanted = Wanted {
        names: &args.containers,
        all: args.all,
        latest: args.latest,
        ignore: args.ignore,
        nothing: "you must provide at least one name or id",
    };
    // All are signalled before the first is waited for: together they take as long as the slowest.
    let chosen = wanted.find(&engine)?;
    let mut begun: VecDeque<_> =
        chosen.iter().map(|chosen| begin(&engine, &chosen.record, args.time)).collect();
    each(chosen, |record| {
        let stopping = begun.pop_front().expect("one for each")?;
        warn(record, stopping.finish(&engine, record)?);
        Ok(())
    })
}

/// podman's warning about a container that did not listen.
pub(crate) fn warn(record: &Record, stopped: Stopped) {
    if let Stopped::Killed { signal, seconds: seconds @ 1.. } = stopped {
        let name = &record.name;
        let signal = nix::sys::signal::Signal::try_from(signal)
            .map_or_else(|_| signal.to_string(), |signal| signal.as_str().to_owned());
        let text = format!(
            "StopSignal {signal} failed to stop container {name} in {seconds} seconds, resorting to SIGKILL"
        );
        // Nobody has to read it.
        let _ = writeln!(std::io::stderr(), "WARNING: {text}");
    }
}
