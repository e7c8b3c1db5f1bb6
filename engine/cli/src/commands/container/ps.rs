//! `ketch ps`

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::ValueEnum;
use ketch_engine::Engine;
use ketch_engine::container::filter::Filters;
use ketch_engine::container::policy::restarts;
use ketch_engine::container::{Status, health};
use ketch_engine::network::ports_of;

use ketch_engine::state::pods::Pod;

use super::filter::{admitted, filters};
use super::ports;
use super::row::{self, Row};
use crate::globals::Globals;
use crate::output::{Format, pretty, table};

/// List containers
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Show all containers, not only those that run
    #[arg(long, short)]
    all: bool,
    /// Show containers of other programs in the storage, too: there are none
    #[arg(long)]
    external: bool,
    /// KEY=VALUE: ancestor, before, command, exited, health, id, label, name, network, pod, restart-policy, since, status, until,
    /// volume
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Show the N containers that were created last
    #[arg(long, short = 'n', value_name = "N", allow_negative_numbers = true)]
    last: Option<i64>,
    /// Show the container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Do not print the table's first line
    #[arg(long)]
    noheading: bool,
    /// Show whole ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Show the namespaces of each
    #[arg(long, visible_alias = "namespace")]
    ns: bool,
    /// Show the pod of each, too
    #[arg(long, short)]
    pod: bool,
    /// Show ids only
    #[arg(long, short)]
    quiet: bool,
    /// Show how much each has written
    #[arg(long, short)]
    size: bool,
    /// Sort by command, created, id, image, names, runningfor, size or status
    #[arg(long, value_name = "FIELD", default_value = "created")]
    sort: Sort,
    /// Ask the runtime for each state: that is done in any case
    #[arg(long)]
    sync: bool,
    /// Show them again every N seconds
    #[arg(long, short, value_name = "N")]
    watch: Option<u32>,
    #[arg(hide = true)]
    words: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    Command,
    Created,
    Id,
    Image,
    Names,
    Runningfor,
    Size,
    Status,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    if !args.words.is_empty() {
        bail!("`ketch ps` takes no arguments");
    }
    ensure!(!(args.quiet && (args.size || args.ns)), "quiet conflicts with size and namespace");
    ensure!(!(args.size && args.ns), "size and namespace options conflict");
    ensure!(!(args.latest && args.last.is_some()), "last and latest are mutually exclusive");
    let engine = globals.engine()?;
    let filters = filters(&engine, &args.filter)?;
    loop {
        let mut rows = rows(&engine, &args, &filters)?;
        sort(&mut rows, args.sort);
        let mut out = std::io::stdout().lock();
        if args.watch.is_some() && out.is_terminal() {
            out.write_all(CLEAR.as_bytes())?;
        }
        out.write_all(text(&rows, &args)?.as_bytes())?;
        out.flush()?;
        drop(out);
        match args.watch.filter(|seconds| *seconds > 0) {
            Some(seconds) => std::thread::sleep(Duration::from_secs(seconds.into())),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Cursor home, and nothing on the screen (ECMA-48).
const CLEAR: &str = "\x1b[H\x1b[2J";

fn rows(engine: &Engine, args: &Args, filters: &Filters) -> anyhow::Result<Vec<Row>> {
    let last = if args.latest { Some(1) } else { args.last.and_then(|last| usize::try_from(last).ok()) };
    let all = args.all || last.is_some() || filters.ask_for_stopped();
    let mut rows = Vec::new();
    let mut pods: Option<Vec<Pod>> = None;
    for (record, status) in admitted(engine, filters)? {
        if all || matches!(status, Status::Running { .. }) {
            let size = if args.size { Some(row::size(engine, &record)?) } else { None };
            let pod_name = match &record.options.pod {
                None => String::new(),
                Some(id) => {
                    // Read once, and only when there is a member.
                    if pods.is_none() {
                        pods = Some(engine.db.pods()?);
                    }
                    let pod = pods.iter().flatten().find(|pod| pod.id == *id);
                    pod.map(|pod| pod.name.clone()).unwrap_or_default()
                }
            };
            let ports = ports_of(engine, &record)?;
            let namespaces =
                if wants_namespaces(args) { row::namespaces(status.pid()) } else { Default::default() };
            let runs = matches!(status, Status::Running { .. });
            let health = (runs && health::of(&record.options).is_some())
                .then(|| health::Results::load(&engine.paths.container(&record.id)).status);
            let restarts = restarts(&engine.paths, &record);
            rows.push(Row { record, status, size, ports, health, restarts, pod_name, namespaces });
        }
    }
    if let Some(last) = last {
        rows.drain(..rows.len().saturating_sub(last));
    }
    Ok(rows)
}

fn wants_namespaces(args: &Args) -> bool {
    let names =
        |template: &String| row::NAMESPACES.iter().any(|(_, name)| template.contains(&format!(".{name}")));
    args.ns || args.format.as_ref().is_some_and(names)
}

fn sort(rows: &mut [Row], sort: Sort) {
    match sort {
        // As they come.
        Sort::Created => {}
        Sort::Command => rows.sort_by_key(|row| row.record.command.join(" ")),
        Sort::Id => rows.sort_by(|a, b| a.record.id.cmp(&b.record.id)),
        Sort::Image => rows.sort_by(|a, b| a.record.image_name.cmp(&b.record.image_name)),
        Sort::Names => rows.sort_by(|a, b| a.record.name.cmp(&b.record.name)),
        Sort::Runningfor => rows.sort_by_key(|row| row.status.started().map(str::to_owned)),
        Sort::Size => rows.sort_by_key(|row| row.size.as_ref().map_or(0, |size| size.own)),
        Sort::Status => rows.sort_by_key(|row| row.status.name()),
    }
}

fn text(rows: &[Row], args: &Args) -> anyhow::Result<String> {
    let template = args.format.as_deref();
    if args.quiet && template.is_none() {
        return Ok(rows.iter().map(|row| row.id(args.no_trunc) + "\n").collect());
    }
    match template {
        Some("json") => {
            let documents: Vec<_> = rows.iter().map(Row::document).collect();
            Ok(pretty(&documents, 2)? + "\n")
        }
        // The whole row: as in the list, but a line each.
        Some(template) if template.split_whitespace().collect::<String>() == "{{json.}}" => {
            rows.iter().map(|row| Ok(format!("{}\n", row.document_line()))).collect()
        }
        Some(template) => {
            let format = Format::parse("ps", template)?;
            let fields: Vec<_> = rows.iter().map(|row| row.fields(args.no_trunc)).collect();
            format.render(&fields, (!args.noheading).then_some(row::HEADING))
        }
        None if args.ns => Ok(of_namespaces(rows, args)),
        None => Ok(plain(rows, args)),
    }
}

/// podman's table of `--ns`.
fn of_namespaces(rows: &[Row], args: &Args) -> String {
    let mut lines = Vec::new();
    if !args.noheading {
        let names = ["CONTAINER ID", "NAMES", "PID"].into_iter();
        lines.push(names.chain(row::NAMESPACES.map(|(_, name)| name)).map(str::to_owned).collect());
    }
    for row in rows {
        let mut cells = vec![row.id(args.no_trunc), row.record.name.clone(), row.status.pid().to_string()];
        cells.extend(row.namespaces.clone());
        lines.push(cells);
    }
    table(&lines)
}

fn plain(rows: &[Row], args: &Args) -> String {
    let mut lines = Vec::new();
    if !args.noheading {
        let names = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
        let pod = if args.pod { &["POD ID", "PODNAME"][..] } else { &[] };
        let more = pod.iter().copied().chain(args.size.then_some("SIZE"));
        lines.push(names.into_iter().chain(more).map(str::to_owned).collect());
    }
    for row in rows {
        let mut cells = vec![
            row.id(args.no_trunc),
            row.record.image_name.clone(),
            row.command(args.no_trunc),
            row.age(),
            row.state_text(),
            ports::text(&row.ports, &row.record.options.expose),
            row.record.name.clone(),
        ];
        if args.pod {
            cells.extend([row.pod_id(args.no_trunc), row.pod_name.clone()]);
        }
        cells.extend(row.size.as_ref().map(row::Size::text));
        lines.push(cells);
    }
    table(&lines)
}
