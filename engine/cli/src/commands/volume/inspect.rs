//! `ketch volume inspect`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::volume::{FindError, Volume, find};

use super::show::{document, fields};
use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::{Format, pretty};

/// Show all about volumes as JSON
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All volumes
    #[arg(long, short)]
    all: bool,
    /// A Go template, or json
    #[arg(long, short)]
    format: Option<String>,
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(args.all || !args.volumes.is_empty(), "at least one volume is needed, or --all");
    anyhow::ensure!(!args.all || args.volumes.is_empty(), "choose either one or more volumes or all");
    let engine = globals.engine()?;
    let mut missing = Vec::new();
    let mut found: Vec<Volume> = if args.all { engine.db.volumes()? } else { Vec::new() };
    for name in &args.volumes {
        match find(&engine, name) {
            Ok(volume) => found.push(volume),
            Err(FindError::NotFound(name)) => missing.push(name),
            Err(error) => return Err(error.into()),
        }
    }
    let text = match args.format.as_deref() {
        None | Some("json") => {
            let documents: Vec<_> = found.iter().map(|volume| document(&engine, volume)).collect();
            pretty(&documents, 5)? + "\n"
        }
        Some(template) => {
            let rows: Vec<_> = found.iter().map(|volume| fields(&engine, volume)).collect();
            Format::parse("volume inspect", template)?.render(&rows, None)?
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    match missing.split_first() {
        None => Ok(ExitCode::SUCCESS),
        // Each on a line of its own, as podman has it.
        Some((first, rest)) => {
            let rest = rest.iter().map(|name| format!("\nError: no such volume {name}"));
            let message = format!("no such volume {first}{}", rest.collect::<String>());
            Err(Failure { code: 125, message }.into())
        }
    }
}
