//! `ketch pod ps`

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::ValueEnum;
use ketch_engine::container::inspect::go_time;
use ketch_engine::pod::cgroup;
use ketch_engine::pod::status::Whole;
use serde::Serialize;
use serde_json::{Value, json};

use super::select::{admitted, filters};
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
    let filters = filters(&args.filter)?;
    let engine = globals.engine()?;
    let mut rows = admitted(&engine, &filters)?;
    if args.latest {
        rows.drain(..rows.len().saturating_sub(1));
    }
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
            rows.iter().map(|whole| Ok(serde_json::to_string(&document(whole))? + "\n")).collect()
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
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    cgroup: String,
    containers: Vec<Member<'a>>,
    created: String,
    id: &'a str,
    infra_id: &'a str,
    name: &'a str,
    namespace: &'static str,
    networks: Vec<String>,
    status: &'static str,
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Member<'a> {
    id: &'a str,
    names: &'a str,
    status: &'static str,
    restart_count: u32,
}

fn document(whole: &Whole) -> Document<'_> {
    let Whole { pod, members } = whole;
    Document {
        cgroup: cgroup::parent(pod).display().to_string(),
        containers: members
            .iter()
            .map(|(record, status)| Member {
                id: &record.id,
                names: &record.name,
                status: status.name(),
                restart_count: 0,
            })
            .collect(),
        created: go_time(&pod.created),
        id: &pod.id,
        infra_id: whole.infra().map(|infra| &*infra.id).unwrap_or_default(),
        name: &pod.name,
        namespace: "",
        networks: networks(whole),
        status: whole.status().name(),
        labels: &pod.options.labels,
    }
}

fn networks(whole: &Whole) -> Vec<String> {
    match whole.infra().map(|infra| &infra.options.network) {
        Some(ketch_engine::container::options::Network::Bridge(endpoints)) => {
            endpoints.iter().map(|endpoint| endpoint.network.clone()).collect()
        }
        _ => Vec::new(),
    }
}
