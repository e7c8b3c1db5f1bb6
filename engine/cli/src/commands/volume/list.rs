//! `ketch volume ls`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::Engine;
use ketch_engine::volume::filter::{Filter, admit};
use ketch_engine::volume::find;

use super::show::{HEADING, document, fields};
use crate::globals::Globals;
use crate::output::{Format, past, pretty, table};

/// List volumes
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// KEY=VALUE: anonymous, dangling, driver, label, name, scope, since, until
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Do not print the table's first line
    #[arg(long, short)]
    noheading: bool,
    /// Show names only
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let filters = filters(&engine, &args.filter)?;
    let mut volumes = engine.db.volumes()?;
    volumes.retain(|volume| admit(&filters, volume));
    let text = match args.format.as_deref() {
        _ if args.quiet => volumes.iter().map(|volume| format!("{}\n", volume.name)).collect(),
        Some("json") => {
            let documents: Vec<_> = volumes.iter().map(|volume| document(&engine, volume)).collect();
            pretty(&documents, 2)? + "\n"
        }
        Some(template) => {
            let rows: Vec<_> = volumes.iter().map(|volume| fields(&engine, volume)).collect();
            Format::parse("volume ls", template)?.render(&rows, (!args.noheading).then_some(HEADING))?
        }
        None => {
            let heading = (!args.noheading && !volumes.is_empty())
                .then(|| vec!["DRIVER".to_owned(), "VOLUME NAME".to_owned()]);
            let rows = volumes.iter().map(|volume| vec!["local".to_owned(), volume.name.clone()]);
            table(&heading.into_iter().chain(rows).collect::<Vec<_>>())
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The conditions of `--filter`.
pub(crate) fn filters(engine: &Engine, texts: &[String]) -> anyhow::Result<Vec<Filter>> {
    let filter = |text: &String| Filter::parse(text, past, |name| find(engine, name));
    Ok(texts.iter().map(filter).collect::<Result<_, _>>()?)
}
