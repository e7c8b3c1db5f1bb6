//! `ketch logs`

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::log_path;
use ketch_engine::state::containers::Record;
use ketch_engine::{Engine, container};
use ketch_monitor::log::{Query, read};

use super::prefix::Prefixed;
use super::select::{Containers, Selection};
use crate::globals::Globals;
use crate::output::{Span, moment};

/// Show what containers have written
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Go on with what they write
    #[arg(long, short)]
    follow: bool,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// With several containers, begin each line with its container's name, not with its id
    #[arg(long, short)]
    names: bool,
    /// Show nothing older: a time (RFC 3339, a date, seconds since 1970) or an age (1h30m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show the last N lines only; -1 for all
    #[arg(long, value_name = "N", default_value = "-1", allow_negative_numbers = true)]
    tail: i64,
    /// Begin each line with its time
    #[arg(long, short)]
    timestamps: bool,
    /// Show nothing younger: a time, or a span from now on
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let time = |flag: &str, text: &Option<String>, span| {
        let parsed = text.as_deref().map(|text| {
            moment(text, span)
                .with_context(|| format!("parsing --{flag} {text:?}: unable to interpret time value"))
        });
        parsed.transpose()
    };
    let query = Query {
        tail: usize::try_from(args.tail).ok(),
        since: time("since", &args.since, Span::Back)?,
        until: time("until", &args.until, Span::Ahead)?,
        follow: args.follow,
        timestamps: args.timestamps,
    };
    let engine = globals.engine()?;
    let nothing = "specify at least one container name or ID to log";
    let selection = Selection { latest: args.latest, names: args.containers, ..Selection::default() };
    let chosen = selection.find(&Containers(&engine), nothing)?;
    ensure!(
        !(args.follow && chosen.len() > 1),
        "--follow takes one container at a time: run `ketch logs --follow` once for each"
    );
    let many = chosen.len() > 1;
    for chosen in &chosen {
        let record = &chosen.item;
        let prefix = match (many, args.names) {
            (false, _) => "",
            (true, false) => &record.id[..12],
            (true, true) => &record.name,
        };
        let shown = show(&engine, record, &query, prefix);
        match shown {
            // Nobody reads any more.
            Err(error) if is_broken_pipe(&error) => break,
            shown => shown?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(engine: &Engine, record: &Record, query: &Query, prefix: &str) -> anyhow::Result<()> {
    if record.options.log.driver.as_deref() == Some("none") {
        bail!(
            "this container is using the 'none' log driver, cannot read logs: this container is not logging output"
        );
    }
    let log = log_path(&engine.paths.container(&record.id));
    let run_dir = engine.paths.container_run(&record.id);
    // One that has never run has no log, and nothing to follow.
    if !log.exists() && !container::status(&engine.paths, &record.id).is_alive() {
        return Ok(());
    }
    let mut out = Prefixed::new(BufWriter::new(io::stdout().lock()), prefix);
    let mut err = Prefixed::new(io::stderr().lock(), prefix);
    read(&log, &run_dir, query, &mut out, &mut err)
        .and_then(|()| out.flush())
        .with_context(|| format!("cannot read the log of container {}", record.id))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
