//! `ketch stats`

pub(crate) mod reading;

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use ketch_engine::Engine;
use ketch_engine::container::stats::{Detail, Sample, memory_of_machine, sample};
use ketch_engine::state::containers::Record;

use self::reading::{HEADING, Reading};
use crate::globals::Globals;
use crate::output::{Format, pretty, table};

/// Move to the first line and clear from there (console_codes(4)).
const RESET: &str = "\x1b[2J\x1b[1;1H";

/// Show what containers use
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Also containers that do not run
    #[arg(long, short)]
    all: bool,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Seconds from one report to the next
    #[arg(long, short, value_name = "SECONDS", default_value = "5", allow_negative_numbers = true)]
    interval: i64,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Do not clear the screen between reports
    #[arg(long)]
    no_reset: bool,
    /// Report once
    #[arg(long)]
    no_stream: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let ways = [args.all, args.latest, !args.containers.is_empty()];
    ensure!(
        ways.iter().filter(|way| **way).count() < 2,
        "--all, --latest and containers cannot be used together"
    );
    let interval = u64::try_from(args.interval).ok().filter(|seconds| *seconds > 0);
    let interval =
        Duration::from_secs(interval.context("invalid interval, must be a positive number greater zero")?);
    let form = Form::parse(args.format.as_deref())?;
    let engine = globals.engine()?;
    let named = named(&engine, &args)?;
    let resets =
        !args.no_stream && !args.no_reset && matches!(form, Form::Table) && io::stdout().is_terminal();
    let machine = memory_of_machine();
    let mut before: HashMap<String, Sample> = HashMap::new();
    loop {
        let mut readings = Vec::new();
        for record in current(&engine, named.as_deref())? {
            let now = sample(&engine, &record, form.detail(), machine);
            if named.is_none() && !args.all && now.started.is_none() {
                continue;
            }
            readings.push(Reading::new(&record, &now, before.get(&record.id), args.no_trunc));
            before.insert(record.id, now);
        }
        let text = form.text(&readings)?;
        if !show(&text, resets)? || args.no_stream {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(interval);
    }
}

/// Writes one round, on a cleared screen if it `resets`; false when nobody reads any more.
pub(crate) fn show(text: &str, resets: bool) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(if resets { RESET.as_bytes() } else { b"" })
        .and_then(|()| out.write_all(text.as_bytes()))
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// Those that were asked for; None: as they come and go.
fn named(engine: &Engine, args: &Args) -> anyhow::Result<Option<Vec<Record>>> {
    if args.latest {
        return Ok(Some(vec![engine.db.latest_container()?]));
    }
    let find = |name: &String| {
        engine
            .db
            .find_container(name)
            .with_context(|| format!("unable to get list of containers: unable to look up container {name}"))
    };
    let records = args.containers.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(records).filter(|records| !records.is_empty()))
}

/// Of those that were asked for, the ones that are still there; or all.
fn current(engine: &Engine, named: Option<&[Record]>) -> anyhow::Result<Vec<Record>> {
    let Some(named) = named else { return Ok(engine.db.containers()?) };
    let mut records = Vec::new();
    for record in named {
        if engine.db.has_container(&record.id)? {
            records.push(record.clone());
        }
    }
    Ok(records)
}

enum Form {
    Table,
    Json,
    /// `{{json .}}`: a line each, with podman's names for a template.
    Lines,
    Template(Format),
}

impl Form {
    fn parse(format: Option<&str>) -> anyhow::Result<Form> {
        Ok(match format {
            None | Some("table") => Form::Table,
            Some("json") => Form::Json,
            Some(template) if template.split_whitespace().collect::<String>() == "{{json.}}" => Form::Lines,
            Some(template) => Form::Template(Format::parse("stats", template)?),
        })
    }

    fn detail(&self) -> Detail {
        match self {
            Form::Table | Form::Json => Detail::Table,
            Form::Lines | Form::Template(_) => Detail::All,
        }
    }

    fn text(&self, readings: &[Reading]) -> anyhow::Result<String> {
        match self {
            Form::Table => Ok(plain(readings)),
            // As podman: without a line's end.
            Form::Json if readings.is_empty() => Ok("[]".to_owned()),
            Form::Json => Ok(pretty(&readings.iter().map(Reading::document).collect::<Vec<_>>(), 1)? + "\n"),
            Form::Lines => readings.iter().map(|reading| Ok(reading.line()? + "\n")).collect(),
            Form::Template(format) => {
                let rows: Vec<_> = readings.iter().map(Reading::fields).collect();
                format.render(&rows, Some(HEADING))
            }
        }
    }
}

fn plain(readings: &[Reading]) -> String {
    let columns = [
        "ID",
        "NAME",
        "CPU %",
        "MEM USAGE / LIMIT",
        "MEM %",
        "NET IO",
        "BLOCK IO",
        "PIDS",
        "CPU TIME",
        "AVG CPU %",
    ];
    let mut rows = vec![columns.map(str::to_owned).to_vec()];
    rows.extend(readings.iter().map(|reading| reading.cells().to_vec()));
    table(&rows)
}
