//! `ketch pod ps`

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::ValueEnum;
use ketch_engine::container::inspect::go_time;
use ketch_engine::pod::cgroup;
use ketch_engine::pod::filter::Filters;
use ketch_engine::pod::status::Whole;
use serde_json::{Value, json};

use crate::globals::Globals;
use crate::output::{Format, ago, pretty, table};

/// List pods
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Show the ids of the containers
    #[arg(long)]
    ctr_ids: bool,
    /// Show the names of the containers
    #[arg(long)]
    ctr_names: bool,
    /// Show how the containers are doing
    #[arg(long)]
    ctr_status: bool,
    /// KEY=VALUE: ctr-ids, ctr-names, ctr-number, ctr-status, id, label, name, network, status
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Show the pod that was created last
    #[arg(long, short)]
    latest: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Do not print the table's first line
    #[arg(long, short, visible_alias = "no-heading")]
    noheading: bool,
    /// Show which namespaces are shared
    #[arg(long)]
    ns: bool,
    /// Show ids only
    #[arg(long, short)]
    quiet: bool,
    /// Sort by created, id, name, number or status
    #[arg(long, value_name = "FIELD", default_value = "created")]
    sort: String,
    #[arg(hide = true)]
    words: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    Created,
    Id,
    Name,
    Number,
    Status,
}

/// What `--format` can name, and the heading of each in a table.
const HEADING: &[(&str, &str)] = &[
    ("Cgroup", "CGROUP"),
    ("ContainerIds", "IDS"),
    ("ContainerNames", "NAMES"),
    ("ContainerStatuses", "STATUS"),
    ("Created", "CREATED"),
    ("ID", "POD ID"),
    ("Id", "POD ID"),
    ("InfraID", "INFRA ID"),
    ("InfraId", "INFRA ID"),
    ("Labels", "LABELS"),
    ("Name", "NAME"),
    ("Namespace", "NAMESPACE"),
    ("Networks", "NETWORKS"),
    ("NumberOfContainers", "# OF CONTAINERS"),
    ("Restarts", "RESTARTS"),
    ("Status", "STATUS"),
];

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    if !args.words.is_empty() {
        bail!("`ketch pod ps` takes no arguments");
    }
    let Ok(sort) = Sort::from_str(&args.sort, true) else {
        bail!("invalid option for --sort, options are: created, id, name, number, or status");
    };
    let mut filters = Filters::default();
    for filter in &args.filter {
        filters.add(filter)?;
    }
    let engine = globals.engine()?;
    let mut pods = engine.db.pods()?;
    if args.latest {
        pods.drain(..pods.len().saturating_sub(1));
    }
    let mut rows = pods.into_iter().map(|pod| Whole::read(&engine, pod)).collect::<Result<Vec<_>, _>>()?;
    rows.retain(|whole| filters.admit(whole));
    match sort {
        Sort::Created => rows.reverse(),
        Sort::Id => rows.sort_by(|a, b| a.pod.id.cmp(&b.pod.id)),
        Sort::Name => rows.sort_by(|a, b| a.pod.name.cmp(&b.pod.name)),
        Sort::Number => rows.sort_by_key(|whole| whole.members.len()),
        Sort::Status => rows.sort_by_key(Whole::status),
    }
    std::io::stdout().write_all(text(&rows, &args)?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn text(rows: &[Whole], args: &Args) -> anyhow::Result<String> {
    match args.format.as_deref() {
        None if args.quiet => Ok(rows.iter().map(|whole| whole.pod.id.clone() + "\n").collect()),
        None => Ok(plain(rows, args)),
        Some("json") => Ok(pretty(&rows.iter().map(document).collect::<Vec<_>>(), 2)? + "\n"),
        Some(template) if template.split_whitespace().collect::<String>() == "{{json.}}" => {
            Ok(rows.iter().map(|whole| format!("{}\n", document(whole))).collect())
        }
        Some(template) => {
            let format = Format::parse("ps", template)?;
            let fields: Vec<_> = rows.iter().map(|whole| fields(whole, args.no_trunc)).collect();
            format.render(&fields, (!args.noheading).then_some(HEADING))
        }
    }
}

fn plain(rows: &[Whole], args: &Args) -> String {
    let wanted = [
        (true, "POD ID", "ID"),
        (true, "NAME", "Name"),
        (true, "STATUS", "Status"),
        (true, "CREATED", "Created"),
        (true, "INFRA ID", "InfraID"),
        (args.ctr_ids, "IDS", "ContainerIds"),
        (args.ctr_names, "NAMES", "ContainerNames"),
        (args.ctr_status, "STATUS", "ContainerStatuses"),
        (args.ns, "NAMESPACES", "Shared"),
        (!(args.ctr_ids || args.ctr_names || args.ctr_status), "# OF CONTAINERS", "NumberOfContainers"),
    ];
    let wanted: Vec<_> = wanted.into_iter().filter(|(wanted, ..)| *wanted).collect();
    let mut lines = Vec::new();
    if !args.noheading {
        lines.push(wanted.iter().map(|(_, heading, _)| (*heading).to_owned()).collect());
    }
    for whole in rows {
        let fields = fields(whole, args.no_trunc);
        let cell = |name: &str| match &fields[name] {
            Value::String(text) => text.clone(),
            Value::Null if name == "Shared" => whole.pod.options.shared.names().join(","),
            other => other.to_string(),
        };
        lines.push(wanted.iter().map(|(.., field)| cell(field)).collect());
    }
    table(&lines)
}

/// What a template sees.
fn fields(whole: &Whole, untruncated: bool) -> Value {
    let short = |id: &str| if untruncated { id.to_owned() } else { id.chars().take(12).collect() };
    let Whole { pod, members } = whole;
    let join = |texts: Vec<String>| texts.join(",");
    let infra = whole.infra().map(|infra| short(&infra.id)).unwrap_or_default();
    json!({
        "Cgroup": cgroup::parent(pod).display().to_string(),
        "ContainerIds": join(members.iter().map(|(record, _)| short(&record.id)).collect()),
        "ContainerNames": join(members.iter().map(|(record, _)| record.name.clone()).collect()),
        "ContainerStatuses": join(members.iter().map(|(_, status)| status.name().to_owned()).collect()),
        "Created": ago(&pod.created),
        "ID": short(&pod.id),
        "Id": short(&pod.id),
        "InfraID": infra,
        "InfraId": infra,
        "Labels": pod.options.labels,
        "Name": pod.name,
        "Namespace": "",
        "Networks": join(networks(whole)),
        "NumberOfContainers": members.len(),
        "Restarts": 0,
        "Status": whole.status().name(),
    })
}

/// The row of `--format json`, in podman's order.
fn document(whole: &Whole) -> Value {
    let Whole { pod, members } = whole;
    let member = |(record, status): &(
        ketch_engine::state::containers::Record,
        ketch_engine::container::Status,
    )| json!({ "Id": record.id, "Names": record.name, "Status": status.name(), "RestartCount": 0 });
    json!({
        "Cgroup": cgroup::parent(pod).display().to_string(),
        "Containers": members.iter().map(member).collect::<Vec<_>>(),
        "Created": go_time(&pod.created),
        "Id": pod.id,
        "InfraId": whole.infra().map(|infra| &*infra.id).unwrap_or_default(),
        "Name": pod.name,
        "Namespace": "",
        "Networks": networks(whole),
        "Status": whole.status().name(),
        "Labels": pod.options.labels,
    })
}

fn networks(whole: &Whole) -> Vec<String> {
    match whole.infra().map(|infra| &infra.options.network) {
        Some(ketch_engine::container::options::Network::Bridge(endpoints)) => {
            endpoints.iter().map(|endpoint| endpoint.network.clone()).collect()
        }
        _ => Vec::new(),
    }
}
