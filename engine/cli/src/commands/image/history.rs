//! `ketch history`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::image::history::{Step, history};
use serde_json::{Value, json};

use crate::globals::Globals;
use crate::output::{Format, ago, human_size, table, unix_seconds};

/// Show the steps that an image was made in
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Times as spans; with =false as moments
    #[arg(
        long, short = 'H', num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    human: bool,
    /// Show whole ids and commands
    #[arg(long, visible_alias = "notruncate")]
    no_trunc: bool,
    /// Print ids only
    #[arg(long, short)]
    quiet: bool,
    image: String,
}

/// What `--format` can name, and the heading of each in a table.
const HEADING: &[(&str, &str)] = &[
    ("ID", "ID"),
    ("Created", "CREATED"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
    ("Tags", "TAGS"),
];

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let steps = history(&globals.engine()?, &args.image)?;
    let text = match args.format.as_deref() {
        Some("json") => Value::from(steps.iter().map(document).collect::<Vec<_>>()).to_string() + "\n",
        _ if args.quiet => steps.iter().map(|step| id(step, args.no_trunc) + "\n").collect(),
        Some(template) => {
            let rows: Vec<Value> = steps.iter().map(|step| fields(step, &args)).collect();
            Format::parse("history", template)?.render(&rows, Some(HEADING))?
        }
        None => plain(&steps, &args),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn plain(steps: &[Step], args: &Args) -> String {
    let heading = ["ID", "CREATED", "CREATED BY", "SIZE", "COMMENT"].map(str::to_owned).to_vec();
    let cells = steps.iter().map(|step| {
        vec![
            id(step, args.no_trunc),
            created(step, args.human),
            created_by(step, args.no_trunc),
            size(step),
            step.comment.clone(),
        ]
    });
    table(&[heading].into_iter().chain(cells).collect::<Vec<_>>())
}

fn fields(step: &Step, args: &Args) -> Value {
    json!({
        "ID": id(step, args.no_trunc),
        "Created": created(step, args.human),
        "CreatedSince": ago(&step.created),
        "CreatedAt": seconds(&step.created),
        "CreatedBy": created_by(step, args.no_trunc),
        "Size": size(step),
        "Comment": step.comment,
        "Tags": step.tags,
    })
}

/// podman's document, where the time comes twice.
fn document(step: &Step) -> Value {
    let mut document = json!({
        "id": id(step, true),
        "created": step.created,
        "CreatedBy": step.created_by,
        "tags": step.tags,
        "size": step.size,
        "Created": seconds(&step.created),
    });
    if !step.comment.is_empty() {
        document["comment"] = step.comment.as_str().into();
    }
    document
}

fn id(step: &Step, whole: bool) -> String {
    match &step.id {
        Some(id) if whole => id.clone(),
        Some(id) => id[..12].to_owned(),
        None => "<missing>".to_owned(),
    }
}

fn created(step: &Step, human: bool) -> String {
    if human { ago(&step.created) } else { seconds(&step.created) }
}

/// `2026-12-01T00:04:18Z`, without a fraction.
fn seconds(time: &str) -> String {
    match (time.split_once('.'), unix_seconds(time)) {
        (Some((whole, _)), Some(_)) if time.ends_with('Z') => format!("{whole}Z"),
        _ => time.to_owned(),
    }
}

fn created_by(step: &Step, whole: bool) -> String {
    const MOST: usize = 45;
    if whole || step.created_by.chars().count() <= MOST {
        return step.created_by.clone();
    }
    step.created_by.chars().take(MOST - 3).chain("...".chars()).collect()
}

/// Without the blank that `images` has.
fn size(step: &Step) -> String {
    human_size(step.size).replace(' ', "")
}
