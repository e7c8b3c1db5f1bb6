//! `ketch stop`

use std::collections::VecDeque;
use std::process::ExitCode;

use ketch_engine::container::stop::{Stopped, begin};
use ketch_engine::state::containers::Record;

use super::select::{Containers, NOTHING, Selection, each};
use crate::globals::Globals;
use crate::messages;

/// Stop containers: their stop signal, and SIGKILL for those that do not end in time
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')), mut_arg("filter", |arg| arg.short('f')))]
#[command(mut_arg("ignore", |arg| arg.short('i')))]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Seconds until SIGKILL; -1 for never [default: the container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    // All are signalled before the first is waited for: together they take as long as the slowest.
    let chosen = args.selection.find(&Containers(&engine), NOTHING)?;
    let mut begun: VecDeque<_> =
        chosen.iter().map(|chosen| begin(&engine, &chosen.item, args.time)).collect();
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
        messages::warn(&text);
    }
}
