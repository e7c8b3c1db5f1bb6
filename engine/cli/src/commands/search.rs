//! `ketch search`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::image::search::{Filter, Found, search, tags};
use serde_json::{Value, json};

use crate::flags::{Connection, Retry};
use crate::globals::Globals;
use crate::output::{Format, pretty};

/// Search a registry for images
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Show stars, and which are official and automated
    #[arg(long)]
    compatible: bool,
    /// stars=N, is-official=BOOL or is-automated=BOOL
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// How many are shown [default: 25]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show the tags of a repository
    #[arg(long)]
    list_tags: bool,
    /// Show whole descriptions
    #[arg(long)]
    no_trunc: bool,
    /// Part of a name, behind REGISTRY/ or else in docker.io
    term: String,
}

/// podman's and docker's.
const LIMIT: usize = 25;

/// What `--format` can name, and the heading of each in a table.
const HEADING: &[(&str, &str)] = &[
    ("Index", "INDEX"),
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("Stars", "STARS"),
    ("Official", "OFFICIAL"),
    ("Automated", "AUTOMATED"),
    ("Tag", "TAG"),
];

pub(crate) fn run(_globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let access = args.connection.access(&Retry::default())?;
    let limit = args.limit.filter(|&limit| limit > 0).unwrap_or(LIMIT);
    let filters = args.filter.iter().map(|text| Filter::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let term = args.term.strip_prefix("docker://").unwrap_or(&args.term);
    let (rows, whole, table) = if args.list_tags {
        anyhow::ensure!(filters.is_empty(), "filters are not applicable to list tags result");
        let (name, tags) = tags(term, &access, limit)?;
        let rows: Vec<Value> = tags.iter().map(|tag| json!({"Name": name, "Tag": tag})).collect();
        (rows, json!([{"Name": name, "Tags": tags}]), "table {{.Name}}\t{{.Tag}}")
    } else {
        let found = search(term, &access, &filters, limit)?;
        let rows: Vec<Value> = found.iter().map(|found| row(found, args.no_trunc)).collect();
        let table = match args.compatible {
            true => "table {{.Name}}\t{{.Description}}\t{{.Stars}}\t{{.Official}}\t{{.Automated}}",
            false => "table {{.Name}}\t{{.Description}}",
        };
        (rows.clone(), rows.into(), table)
    };
    if rows.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let text = match args.format.as_deref() {
        Some("json") => pretty(&whole, 4)? + "\n",
        format => Format::parse("search", format.unwrap_or(table))?.render(&rows, Some(HEADING))?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// podman's document.
fn row(found: &Found, whole: bool) -> Value {
    const MOST: usize = 44;
    let mark = |is_set: bool| if is_set { "[OK]" } else { "" };
    let mut description = found.description.clone();
    if !whole && description.chars().count() > MOST {
        description = description.chars().take(MOST).chain("...".chars()).collect();
    }
    json!({
        "Index": found.index,
        "Name": found.name,
        "Description": description,
        "Stars": found.stars,
        "Official": mark(found.is_official),
        "Automated": mark(found.is_automated),
        "Tag": "",
    })
}
