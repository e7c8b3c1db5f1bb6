//! `ketch diff`, of containers and images

use std::io::Write;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::Engine;
use ketch_engine::container::diff::{Thing, diff, find};
use ketch_engine::store::{Change, ChangeKind};
use serde_json::{Map, Value};

use crate::globals::Globals;
use crate::output::pretty;

/// Show what a container has changed of its image, or an image's topmost layer of those below it
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// json
    #[arg(long)]
    format: Option<String>,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// A container or an image, and what to compare it with instead
    #[arg(value_name = "CONTAINER|IMAGE", num_args = 0..=2)]
    names: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(
        matches!(args.format.as_deref(), None | Some("" | "json")),
        "only supported value for '--format' is 'json'"
    );
    let engine = globals.engine()?;
    let (thing, from) = chosen(&engine, &args)?;
    let changes = diff(&engine, &thing, from.as_ref())?;
    let text = match args.format.as_deref() {
        Some("json") => pretty(&document(&changes), 5)? + "\n",
        _ => changes.iter().map(|change| format!("{} {}\n", letter(change), change.path.display())).collect(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn chosen(engine: &Engine, args: &Args) -> anyhow::Result<(Thing, Option<Thing>)> {
    let mut names = args.names.iter();
    let thing = match (names.len(), args.latest) {
        (0, false) => bail!("\"ketch diff\" requires a name, id, or the \"--latest\" flag"),
        (2, true) => bail!("--latest and containers cannot be used together"),
        (_, true) => Thing::Container(Box::new(engine.db.latest_container()?)),
        _ => find(engine, names.next().map_or("", String::as_str))?,
    };
    Ok((thing, names.next().map(|name| find(engine, name)).transpose()?))
}

fn letter(change: &Change) -> char {
    match change.kind {
        ChangeKind::Changed => 'C',
        ChangeKind::Added => 'A',
        ChangeKind::Deleted => 'D',
    }
}

/// podman's: what there is none of has no key.
fn document(changes: &[Change]) -> Value {
    let mut document = Map::new();
    for (name, kind) in
        [("changed", ChangeKind::Changed), ("added", ChangeKind::Added), ("deleted", ChangeKind::Deleted)]
    {
        let paths: Vec<Value> = changes
            .iter()
            .filter(|change| change.kind == kind)
            .map(|change| change.path.to_string_lossy().into())
            .collect();
        if !paths.is_empty() {
            document.insert(name.to_owned(), paths.into());
        }
    }
    Value::Object(document)
}
