//! `ketch inspect` and `ketch container inspect`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::Engine;
use ketch_engine::container::inspect::{Inspect, inspect};
use ketch_engine::container::status;
use ketch_engine::image;
use ketch_engine::network::view;
use ketch_engine::state::containers::{FindError, Record};
use ketch_engine::state::pods::FindPodError;
use serde_json::Value;

use super::row;
use crate::commands::pod::inspect::document as of_pod;
use crate::globals::Globals;
use crate::output::{Format, pretty};

/// Show all about containers as JSON
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// A Go template, or json
    #[arg(long, short)]
    format: Option<String>,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Add how much a container has written
    #[arg(long, short)]
    size: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Show all about containers or images as JSON
#[derive(Debug, clap::Parser)]
pub(crate) struct AnyArgs {
    /// A Go template, or json
    #[arg(long, short)]
    format: Option<String>,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Add how much a container has written
    #[arg(long, short)]
    size: bool,
    /// container, image, pod or all
    #[arg(long = "type", short, value_name = "TYPE", default_value = "all")]
    kind: String,
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What is looked for under a name, in this order.
#[derive(Debug, Clone, Copy)]
struct Kinds {
    container: bool,
    image: bool,
    pod: bool,
    /// Of a container, its size too.
    size: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let kinds = Kinds { container: true, image: false, pod: false, size: args.size };
    show(globals, kinds, args.format.as_deref(), args.latest, &args.containers)
}

/// `ketch inspect`: a verb of its own in the table of commands.
pub(crate) mod any {
    pub(crate) use super::{AnyArgs as Args, run_any as run};
}

pub(crate) fn run_any(globals: &Globals, args: AnyArgs) -> anyhow::Result<ExitCode> {
    let kinds = match args.kind.as_str() {
        "all" => Kinds { container: true, image: true, pod: true, size: args.size },
        "container" => Kinds { container: true, image: false, pod: false, size: args.size },
        "image" => Kinds { container: false, image: true, pod: false, size: args.size },
        "pod" => Kinds { container: false, image: false, pod: true, size: args.size },
        other => bail!("invalid type {other:?}: must be \"image\", \"container\", \"pod\", or \"all\""),
    };
    show(globals, kinds, args.format.as_deref(), args.latest, &args.names)
}

fn show(
    globals: &Globals,
    kinds: Kinds,
    format: Option<&str>,
    latest: bool,
    names: &[String],
) -> anyhow::Result<ExitCode> {
    ensure!(!latest || names.is_empty(), "--latest and arguments cannot be used together");
    ensure!(latest || !names.is_empty(), "no names or ids specified");
    ensure!(!latest || kinds.container || kinds.pod, "latest is not supported for type \"image\"");
    let is_json = format.is_some_and(|template| template.contains("json"));
    let format = match format {
        None | Some("json") => None,
        Some(template) => Some(Format::parse("inspect", template)?),
    };
    let engine = globals.engine()?;
    let mut documents = Vec::new();
    let mut missing: Option<anyhow::Error> = None;
    if latest && !kinds.container {
        documents.push(Document::Pod(Box::new(of_pod(&engine, engine.db.latest_pod()?)?)));
    } else if latest {
        documents.push(Document::Container(Box::new(of_container(
            &engine,
            &engine.db.latest_container()?,
            kinds.size,
        )?)));
    }
    for name in names {
        match find(&engine, kinds, name)? {
            Ok(document) => documents.push(document),
            // What is found is shown all the same.
            Err(error) => {
                if let Some(earlier) = missing.replace(error) {
                    crate::failure::report(&earlier);
                }
            }
        }
    }
    let text = match format {
        None => pretty(&documents, 5)? + "\n",
        Some(format) => {
            let mut rows = documents.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>()?;
            if !is_json {
                rows.iter_mut().for_each(times);
                rows.iter_mut().for_each(empty);
            }
            format.render(&rows, None)?
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    missing.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// A container's times as a template prints them: Go's `time.Time`, not its JSON.
fn times(row: &mut Value) {
    let go = |value: &mut Value| {
        if let Some(time) = value.as_str().filter(|time| time.ends_with('Z')) {
            *value = format!("{} +0000 UTC", time.trim_end_matches('Z').replacen('T', " ", 1)).into();
        }
    };
    if row.get("State").is_none() {
        return;
    }
    row.get_mut("Created").map(go);
    for name in ["StartedAt", "FinishedAt", "CheckpointedAt", "RestoredAt"] {
        row["State"].get_mut(name).map(go);
    }
}

/// Lists and maps that are null in JSON: Go prints them as empty.
fn empty(row: &mut Value) {
    for (part, names, value) in [
        ("Config", &["Entrypoint", "Cmd"][..], Value::Array(Vec::new())),
        ("Config", &["Labels", "Volumes"], Value::Object(Default::default())),
        ("HostConfig", &["Links", "VolumesFrom"], Value::Array(Vec::new())),
    ] {
        let fields = names.iter().filter_map(|name| Some((name, row.get(part)?.get(name)?.is_null())));
        let nulls: Vec<_> = fields.filter(|(_, is_null)| *is_null).map(|(name, _)| *name).collect();
        for name in nulls {
            row[part][name] = value.clone();
        }
    }
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Document {
    Container(Box<Inspect>),
    Image(Box<image::inspect::Inspect>),
    Pod(Box<ketch_engine::pod::inspect::Document>),
}

/// The inner error is a name that leads nowhere.
fn find(engine: &Engine, kinds: Kinds, name: &str) -> anyhow::Result<anyhow::Result<Document>> {
    if kinds.container {
        match engine.db.find_container(name) {
            Ok(record) => {
                return Ok(Ok(Document::Container(Box::new(of_container(engine, &record, kinds.size)?))));
            }
            Err(FindError::NotFound(_)) if kinds.image => {}
            Err(FindError::NotFound(_)) => return Ok(Err(anyhow::anyhow!("no such container {name:?}"))),
            Err(error) => return Err(error.into()),
        }
    }
    let as_image = match kinds.image {
        true => image::inspect::inspect(engine, name),
        false => Err(image::FindError::Unknown(name.to_owned())),
    };
    match as_image {
        Ok(document) => Ok(Ok(Document::Image(Box::new(document)))),
        Err(image::FindError::Unknown(_)) if kinds.pod => match engine.db.find_pod(name) {
            Ok(pod) => Ok(Ok(Document::Pod(Box::new(of_pod(engine, pod)?)))),
            Err(FindPodError::NotFound(_)) if kinds.container => {
                Ok(Err(anyhow::anyhow!("no such object: {name:?}")))
            }
            Err(FindPodError::NotFound(_)) => Ok(Err(anyhow::anyhow!("no such pod {name}"))),
            Err(error) => Err(error.into()),
        },
        Err(image::FindError::Unknown(_)) if kinds.container => {
            Ok(Err(anyhow::anyhow!("no such object: {name:?}")))
        }
        Err(image::FindError::Unknown(_)) => Ok(Err(anyhow::anyhow!("{name}: image not known"))),
        Err(error) => Err(error.into()),
    }
}

fn of_container(engine: &Engine, record: &Record, with_size: bool) -> anyhow::Result<Inspect> {
    let image = record.image_id.as_deref().map(|id| image::find(engine, id)).transpose()?;
    let status = status(&engine.paths, &record.id);
    let network = view::of(engine, record)?;
    let mut document = inspect(&engine.paths, record, &status, image.as_ref(), &network);
    if with_size {
        let size = row::size(engine, record)?;
        (document.size_rw, document.size_root_fs) = (Some(size.own), Some(size.own + size.image));
    }
    Ok(document)
}
