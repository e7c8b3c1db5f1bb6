use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use ketch_cgroups::Detail;
use ketch_runtime::container::events::{Event, Watch, detail};
use ketch_runtime::container::state::State;
use serde::Serialize;

use crate::globals::Globals;
use crate::report;

mod interval;

/// Print what a container uses, again and again, and when it runs out of memory
///
/// Each event is one line of JSON, as runc prints it. It ends with the container.
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,

    /// Time between two reports: 500ms, 5s, 1m30s
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = interval::parse)]
    interval: Duration,

    /// Print what it uses now, once
    #[arg(long)]
    stats: bool,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let state = State::load(&globals.root(), &args.container)?;
    if args.stats {
        print_stats(&state)?;
        return Ok(ExitCode::SUCCESS);
    }
    let failed = || format!("cannot watch container {:?}", args.container);
    let mut watch = Watch::new(&state).with_context(failed)?;
    let mut next = Instant::now() + args.interval;
    loop {
        match watch.next(next).with_context(failed)? {
            Event::Oom => print::<()>(&state, "oom", None)?,
            Event::Timeout => {
                print_stats(&state)?;
                next = Instant::now() + args.interval;
            }
            Event::Ended => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// What a container uses, and what runc has beside it: no runtime fills these two.
#[derive(Serialize)]
struct Stats {
    #[serde(flatten)]
    detail: Detail,
    intel_rdt: serde_json::Map<String, serde_json::Value>,
    network_interfaces: Option<()>,
}

fn print_stats(state: &State) -> anyhow::Result<()> {
    let stats = Stats { detail: detail(state)?, intel_rdt: serde_json::Map::new(), network_interfaces: None };
    print(state, "stats", Some(stats))
}

fn print<T: Serialize>(state: &State, kind: &str, data: Option<T>) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        r#type: &'a str,
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<T>,
    }
    let line = serde_json::to_string(&Line { r#type: kind, id: &state.id, data })?;
    report::print(&(line + "\n"))
}
