//! `ketch image inspect`

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use ketch_engine::image::inspect::{Inspect, inspect};
use serde_json::Value;

use crate::globals::Globals;
use crate::output::{Format, pretty};

/// Show all about images as JSON
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// A Go template, or json
    #[arg(short, long)]
    format: Option<String>,
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

pub(crate) fn run(globals: &Globals, Args { format, images }: Args) -> anyhow::Result<ExitCode> {
    if images.is_empty() {
        anyhow::bail!("no names or ids specified");
    }
    let format = match format.as_deref() {
        None | Some("json") => None,
        Some(template) => Some(Format::parse("inspect", template)?),
    };
    let engine = globals.engine()?;
    let mut documents = Vec::new();
    let mut missing = None;
    for image in &images {
        match inspect(&engine, image) {
            Ok(document) => documents.push(document),
            // What is found is shown all the same.
            Err(error) => missing = missing.or(Some(error)),
        }
    }
    let text = match format {
        None => pretty(&documents, 5)? + "\n",
        Some(format) => {
            let rows = documents.iter().map(fields).collect::<Result<Vec<_>, _>>()?;
            format.render(&rows, None)?
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    missing.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()))
}

/// What a template can name: the document, and what podman calls otherwise there.
pub(crate) fn fields(document: &Inspect) -> serde_json::Result<Value> {
    let mut fields = serde_json::to_value(document)?;
    fields["ID"] = fields["Id"].clone();
    fields["HealthCheck"] = fields["Healthcheck"].take();
    fields["Healthcheck"] = fields["HealthCheck"].clone();
    Ok(fields)
}
