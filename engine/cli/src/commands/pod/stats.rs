//! `ketch pod stats`

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use ketch_engine::Engine;
use ketch_engine::container::stats::{Detail, Sample, memory_of_machine, sample};
use ketch_engine::state::pods::Pod;
use serde::Serialize;
use serde_json::Value;

use crate::commands::container::stats::reading::Reading;
use crate::commands::container::stats::show;
use crate::globals::Globals;
use crate::output::{Format, binary_size, pretty, table};

/// From one report to the next, as with podman.
const INTERVAL: Duration = Duration::from_secs(5);

/// What `--format` can name, and the heading of each in a table.
const HEADING: &[(&str, &str)] = &[
    ("BlockIO", "BLOCK IO"),
    ("CID", "CID"),
    ("CPU", "CPU %"),
    ("Mem", "MEM"),
    ("MemUsage", "MEM USAGE/ LIMIT"),
    ("MemUsageBytes", "MEM USAGE/ LIMIT"),
    ("Name", "NAME"),
    ("NetIO", "NET IO"),
    ("PIDS", "PIDS"),
    ("Pod", "POD"),
];

/// Show what the containers of pods use
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All pods, which is the default
    #[arg(long, short)]
    all: bool,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// The pod that was created last
    #[arg(long, short)]
    latest: bool,
    /// Do not clear the screen between reports
    #[arg(long)]
    no_reset: bool,
    /// Report once
    #[arg(long)]
    no_stream: bool,
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

/// A container's line, in the order of podman's JSON.
#[derive(Serialize)]
struct Line {
    #[serde(rename = "CPU")]
    cpu: String,
    #[serde(rename = "MemUsage")]
    memory: String,
    #[serde(rename = "MemUsageBytes")]
    memory_binary: String,
    #[serde(rename = "Mem")]
    memory_percent: String,
    #[serde(rename = "NetIO")]
    network: String,
    #[serde(rename = "BlockIO")]
    block: String,
    #[serde(rename = "PIDS")]
    pids: String,
    #[serde(rename = "Pod")]
    pod: String,
    #[serde(rename = "CID")]
    id: String,
    #[serde(rename = "Name")]
    name: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let ways = [args.all, args.latest, !args.pods.is_empty()];
    ensure!(
        ways.iter().filter(|way| **way).count() < 2,
        "--all, --latest and arguments cannot be used together"
    );
    let format = args.format.as_deref().filter(|format| !matches!(*format, "json" | "table"));
    let format = format.map(|template| Format::parse("stats", template)).transpose()?;
    let engine = globals.engine()?;
    let named = named(&engine, &args)?;
    let is_table = args.format.as_deref().is_none_or(|format| format == "table");
    let resets = !args.no_stream && !args.no_reset && is_table && io::stdout().is_terminal();
    let mut before = HashMap::new();
    loop {
        let lines = lines(&engine, named.as_deref(), &mut before)?;
        let text = match &format {
            Some(format) => rendered(format, &lines)?,
            None if is_table => plain(&lines),
            None => pretty(&lines, 5)? + "\n",
        };
        if !show(&text, resets)? || args.no_stream {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(INTERVAL);
    }
}

/// Those that were asked for; None: as they come and go.
fn named(engine: &Engine, args: &Args) -> anyhow::Result<Option<Vec<Pod>>> {
    if args.latest {
        return Ok(Some(vec![engine.db.latest_pod()?]));
    }
    let find = |name: &String| engine.db.find_pod(name).context("unable to get list of pods");
    let pods = args.pods.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(pods).filter(|pods| !pods.is_empty()))
}

/// One look at all containers; `before` is the last, and becomes this one.
fn lines(
    engine: &Engine,
    named: Option<&[Pod]>,
    before: &mut HashMap<String, Sample>,
) -> anyhow::Result<Vec<Line>> {
    let pods = match named {
        Some(named) => named.to_vec(),
        None => engine.db.pods()?,
    };
    let machine = memory_of_machine();
    let mut lines = Vec::new();
    for pod in pods {
        for member in engine.db.members(&pod.id)? {
            let now = sample(engine, &member, Detail::Table, machine);
            let reading = Reading::new(&member, &now, before.get(&member.id), false);
            lines.push(Line::new(&pod, &reading));
            before.insert(member.id, now);
        }
    }
    Ok(lines)
}

impl Line {
    fn new(pod: &Pod, reading: &Reading) -> Line {
        let [id, name, cpu, memory, memory_percent, network, block, pids, ..] = reading.cells();
        // podman's way to show that there is nothing.
        let some = |text: String| if text == "0B / 0B" { "-- / --".to_owned() } else { text };
        Line {
            cpu,
            memory: some(memory),
            memory_binary: some(reading.memory(binary_size)),
            memory_percent,
            network: some(network),
            block: some(block),
            pids: if pids == "0" { "--".to_owned() } else { pids },
            pod: pod.id[..12].to_owned(),
            id,
            name,
        }
    }
}

fn plain(lines: &[Line]) -> String {
    let columns = ["POD", "CID", "NAME", "CPU %", "MEM USAGE/ LIMIT", "MEM %", "NET IO", "BLOCK IO", "PIDS"];
    let mut rows = vec![columns.map(str::to_owned).to_vec()];
    for line in lines {
        let cells = [
            &line.pod,
            &line.id,
            &line.name,
            &line.cpu,
            &line.memory,
            &line.memory_percent,
            &line.network,
            &line.block,
            &line.pids,
        ];
        rows.push(cells.map(String::clone).to_vec());
    }
    if lines.is_empty() {
        rows.push(vec!["--".to_owned(); columns.len()]);
    }
    table(&rows)
}

/// podman has a heading above every template here, not only above a table.
fn rendered(format: &Format, lines: &[Line]) -> anyhow::Result<String> {
    let mut rows = lines.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>()?;
    if !format.is_table() {
        rows.insert(
            0,
            HEADING.iter().map(|(field, name)| ((*field).to_owned(), Value::from(*name))).collect(),
        );
    }
    format.render(&rows, Some(HEADING))
}
