//! `ketch pod inspect`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::Engine;
use ketch_engine::pod::inspect::{Document, inspect};
use ketch_engine::pod::status::Whole;
use ketch_engine::state::pods::{FindPodError, Pod};
use serde_json::{Value, json};

use crate::failure::report;
use crate::globals::Globals;
use crate::output::{Format, pretty};

/// Show all about pods as JSON
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// A Go template, or json
    #[arg(long, short, default_value = "json", hide_default_value = true)]
    format: String,
    /// The pod that was created last
    #[arg(long, short)]
    latest: bool,
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(!args.latest || args.pods.is_empty(), "--latest and arguments cannot be used together");
    ensure!(args.latest || !args.pods.is_empty(), "no names or ids specified");
    let engine = globals.engine()?;
    let mut documents = Vec::new();
    let mut code = ExitCode::SUCCESS;
    if args.latest {
        documents.push(document(&engine, engine.db.latest_pod()?)?);
    }
    for name in &args.pods {
        match engine.db.find_pod(name) {
            Ok(pod) => documents.push(document(&engine, pod)?),
            // What is found is shown all the same.
            Err(FindPodError::NotFound(_)) => code = report(&anyhow::anyhow!("no such pod {name}")),
            Err(error) => return Err(error.into()),
        }
    }
    let text = match &*args.format {
        "json" => pretty(&documents, 5)? + "\n",
        template => {
            let rows = documents.iter().map(fields).collect::<Result<Vec<_>, _>>()?;
            Format::parse("inspect", template)?.render(&rows, None)?
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(code)
}

/// What a template can name: podman's fields, of which some have another name in JSON and are left out of it when empty.
fn fields(document: &Document) -> serde_json::Result<Value> {
    let mut fields = serde_json::to_value(document)?;
    for (name, key, empty) in [
        ("CPUPeriod", "cpu_period", json!(0)),
        ("CPUQuota", "cpu_quota", json!(0)),
        ("CPUShares", "cpu_shares", json!(0)),
        ("CPUSetCPUs", "cpuset_cpus", json!("")),
        ("CPUSetMems", "cpuset_mems", json!("")),
        ("MemoryLimit", "memory_limit", json!(0)),
        ("MemorySwap", "memory_swap", json!(0)),
        ("Mounts", "mounts", json!([])),
        ("Devices", "devices", json!([])),
        ("SecurityOpts", "security_opt", json!([])),
    ] {
        fields[name] = fields.get(key).cloned().unwrap_or(empty);
    }
    for (name, empty) in
        [("Labels", json!({})), ("InfraContainerID", json!("")), ("SharedNamespaces", json!([]))]
    {
        if fields.get(name).is_none() {
            fields[name] = empty;
        }
    }
    Ok(fields)
}

pub(crate) fn document(engine: &Engine, pod: Pod) -> anyhow::Result<Document> {
    Ok(inspect(&Whole::read(engine, pod)?))
}
