//! `ketch secret ls`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use ketch_engine::secret::Secret;
use serde_json::{Value, json};

use super::inspect::document;
use crate::globals::Globals;
use crate::output::{Format, ago, pretty, table};

/// List secrets
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// KEY=VALUE: id (its beginning), name (a part of it)
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Do not print the table's first line
    #[arg(long, short)]
    noheading: bool,
    /// Show ids only
    #[arg(long, short)]
    quiet: bool,
}

/// What `--format` can name, and the heading of each in a table.
const HEADING: &[(&str, &str)] = &[
    ("ID", "ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("CreatedAt", "CREATED"),
    ("UpdatedAt", "UPDATED"),
];

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let filters = args.filter.iter().map(|text| Filter::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut secrets = engine.db.secrets()?;
    secrets.retain(|secret| Filter::all(&filters, secret));
    let text = match args.format.as_deref() {
        _ if args.quiet => secrets.iter().map(|secret| format!("{}\n", secret.id)).collect(),
        Some("json") => {
            let documents: Vec<_> = secrets.iter().map(|secret| document(&engine.paths, secret)).collect();
            pretty(&documents, 4)? + "\n"
        }
        Some(template) => {
            let rows: Vec<_> = secrets.iter().map(fields).collect();
            Format::parse("secret ls", template)?.render(&rows, (!args.noheading).then_some(HEADING))?
        }
        None => {
            let cells = |secret: &Secret| {
                let fields = fields(secret);
                HEADING
                    .iter()
                    .map(|(name, _)| fields[*name].as_str().unwrap_or_default().to_owned())
                    .collect()
            };
            let heading = HEADING.iter().map(|(_, name)| (*name).to_owned()).collect();
            let rows = (!args.noheading).then_some(heading).into_iter();
            table(&rows.chain(secrets.iter().map(cells)).collect::<Vec<Vec<String>>>())
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn fields(secret: &Secret) -> Value {
    json!({
        "ID": secret.id,
        "Name": secret.name,
        "Driver": "file",
        "CreatedAt": ago(&secret.created),
        "UpdatedAt": ago(&secret.updated),
    })
}

/// One of several of the same kind is enough.
enum Filter {
    Id(String),
    Name(String),
}

impl Filter {
    fn parse(text: &str) -> anyhow::Result<Filter> {
        let (key, value) = text.split_once('=').with_context(|| format!("invalid filter {text:?}"))?;
        match key {
            "id" => Ok(Filter::Id(value.to_owned())),
            "name" => Ok(Filter::Name(value.to_owned())),
            _ => bail!("invalid filter {key:?}"),
        }
    }

    fn all(filters: &[Filter], secret: &Secret) -> bool {
        let (mut of_id, mut of_name) = (None, None);
        for filter in filters {
            let (verdict, holds) = match filter {
                Filter::Id(start) => (&mut of_id, secret.id.starts_with(&**start)),
                Filter::Name(part) => (&mut of_name, secret.name.contains(&**part)),
            };
            *verdict = Some(verdict.unwrap_or(false) || holds);
        }
        of_id.unwrap_or(true) && of_name.unwrap_or(true)
    }
}
