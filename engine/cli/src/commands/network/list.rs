//! `ketch network ls`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::network::filter::{Filter, admit};
use ketch_engine::network::inspect::{Inspect, listed};

use super::show::{HEADING, fields};
use crate::globals::Globals;
use crate::output::{Format, past, pretty, table};

/// List networks
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// KEY=VALUE: driver, id, label, name, until
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Do not print the table's first line
    #[arg(long, short)]
    noheading: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Show names only
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let filters = filters(&args.filter)?;
    let engine = globals.engine()?;
    let networks: Vec<Inspect> =
        engine.db.networks()?.iter().filter(|network| admit(&filters, network)).map(listed).collect();
    let id = |network: &Inspect| {
        if args.no_trunc { network.id.clone() } else { network.id.chars().take(12).collect() }
    };
    let text = match args.format.as_deref() {
        _ if args.quiet => networks.iter().map(|network| format!("{}\n", network.name)).collect(),
        Some("json") => pretty(&networks, 2)? + "\n",
        Some(template) => {
            let rows: Vec<_> = networks
                .iter()
                .map(|network| {
                    let mut row = fields(network);
                    row["ID"] = id(network).into();
                    row
                })
                .collect();
            Format::parse("network ls", template)?.render(&rows, (!args.noheading).then_some(HEADING))?
        }
        None => {
            let heading =
                (!args.noheading).then(|| ["NETWORK ID", "NAME", "DRIVER"].map(str::to_owned).to_vec());
            let rows = networks
                .iter()
                .map(|network| vec![id(network), network.name.clone(), network.driver.to_owned()]);
            table(&heading.into_iter().chain(rows).collect::<Vec<_>>())
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The conditions of `--filter`.
pub(crate) fn filters(texts: &[String]) -> anyhow::Result<Vec<Filter>> {
    Ok(texts.iter().map(|text| Filter::parse(text, past)).collect::<Result<_, _>>()?)
}
