//! `ketch logs`

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::log_path;
use ketch_engine::state::containers::Record;
use ketch_engine::{Engine, container};
use ketch_monitor::log::{Query, read};

use super::prefix::{Prefix, Prefixed};
use super::select::{Containers, Selection};
use crate::globals::Globals;
use crate::output::{Span, moment};

/// Show what containers have written
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    #[command(flatten)]
    flags: LogFlags,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// What of a log is shown, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct LogFlags {
    /// Show each container's lines in a colour of its own
    #[arg(long)]
    pub(crate) color: bool,
    /// Go on with what they write
    #[arg(long, short)]
    follow: bool,
    /// With several containers, begin each line with its container's name, not with its id
    #[arg(long, short)]
    pub(crate) names: bool,
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
}

impl LogFlags {
    pub(crate) fn query(&self) -> anyhow::Result<Query> {
        let time = |flag: &str, text: &Option<String>, span| {
            let parsed = text.as_deref().map(|text| {
                moment(text, span)
                    .with_context(|| format!("parsing --{flag} {text:?}: unable to interpret time value"))
            });
            parsed.transpose()
        };
        Ok(Query {
            tail: usize::try_from(self.tail).ok(),
            since: time("since", &self.since, Span::Back)?,
            until: time("until", &self.until, Span::Ahead)?,
            follow: self.follow,
            timestamps: self.timestamps,
        })
    }
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let query = args.flags.query()?;
    let engine = globals.engine()?;
    let nothing = "specify at least one container name or ID to log";
    let selection = Selection { latest: args.latest, names: args.containers, ..Selection::default() };
    let chosen = selection.find(&Containers(&engine), nothing)?;
    ensure!(
        !(query.follow && chosen.len() > 1),
        "--follow takes one container at a time: run `ketch logs --follow` once for each"
    );
    let prefixed = (chosen.len() > 1).then_some(args.flags.names);
    let records: Vec<Record> = chosen.into_iter().map(|chosen| chosen.item).collect();
    print(&engine, &records, &query, &Look { prefixed, color: args.flags.color })
}

/// How lines are told apart.
#[derive(Debug)]
pub(crate) struct Look {
    /// Each begins with its container's id or, if true, with its name.
    pub(crate) prefixed: Option<bool>,
    pub(crate) color: bool,
}

/// podman's, in its order (ECMA-48): white, red, yellow, blue, magenta, cyan, green.
const COLORS: [&str; 7] =
    ["\x1b[37m", "\x1b[31m", "\x1b[33m", "\x1b[34m", "\x1b[35m", "\x1b[36m", "\x1b[32m"];

/// Prints one log after the other.
pub(crate) fn print(
    engine: &Engine,
    records: &[Record],
    query: &Query,
    look: &Look,
) -> anyhow::Result<ExitCode> {
    for (number, record) in records.iter().enumerate() {
        let name = match look.prefixed {
            None => "",
            Some(false) => &record.id[..12],
            Some(true) => &record.name,
        };
        let color = if look.color { COLORS[number % COLORS.len()] } else { "" };
        let shown = show(engine, record, query, Prefix { name, color });
        match shown {
            // Nobody reads any more.
            Err(error) if is_broken_pipe(&error) => break,
            shown => shown?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(engine: &Engine, record: &Record, query: &Query, prefix: Prefix<'_>) -> anyhow::Result<()> {
    if let Some(driver @ ("none" | "passthrough")) = record.options.log.driver.as_deref() {
        bail!(
            "this container is using the '{driver}' log driver, cannot read logs: this container is not logging output"
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
