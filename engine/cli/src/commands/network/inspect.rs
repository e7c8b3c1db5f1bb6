//! `ketch network inspect`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::network::inspect::inspect;

use super::show::fields;
use crate::globals::Globals;
use crate::output::{Format, pretty};

/// Show all about networks as JSON
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// A Go template, or json
    #[arg(long, short)]
    format: Option<String>,
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let (mut documents, mut missing) = (Vec::new(), None);
    for name in &args.networks {
        match engine.db.find_network(name) {
            Ok(network) => documents.push(inspect(&engine, &network)?),
            // What is found is shown all the same.
            Err(error) => {
                _ = missing.get_or_insert(anyhow::Error::from(error).context(format!("network {name}")));
            }
        }
    }
    let text = match args.format.as_deref() {
        None | Some("json") => pretty(&documents, 5)? + "\n",
        Some(template) => {
            let rows: Vec<_> = documents
                .iter()
                .map(|document| {
                    let mut row = fields(document);
                    row["Containers"] = serde_json::to_value(&document.containers)?;
                    Ok(row)
                })
                .collect::<serde_json::Result<_>>()?;
            Format::parse("network inspect", template)?.render(&rows, None)?
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    missing.map_or(Ok(ExitCode::SUCCESS), Err)
}
