//! `ketch image mount`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::image;
use ketch_engine::image::mount::{mount, mounted};
use serde_json::{Value, json};

use crate::commands::container::mount::in_namespaces;
use crate::globals::Globals;
use crate::output::{pretty, table};

/// Mount images read-only, and print where; without any, show all that are mounted
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All images
    #[arg(long, short)]
    all: bool,
    /// json
    #[arg(long)]
    format: Option<String>,
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(
        matches!(args.format.as_deref(), None | Some("" | "json")),
        "unsupported --format option: only json is known"
    );
    ensure!(
        !args.all || args.images.is_empty(),
        "when using the --all switch, you may not pass any image names or IDs"
    );
    in_namespaces("image mount")?;
    let engine = globals.engine()?;
    let is_list = !args.all && args.images.is_empty();
    let names = match args.all {
        true => image::list(&engine)?.into_iter().map(|image| image.id).collect(),
        false => args.images,
    };
    let mut points = Vec::new();
    for name in &names {
        points.push(mount(&engine, name)?);
    }
    let mut out = std::io::stdout();
    if let ([point], None) = (points.as_slice(), args.format.as_deref()) {
        writeln!(out, "{}", point.display())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = mounted(&engine)?;
    let rows = rows.iter().filter(|(_, point)| is_list || points.contains(point));
    if args.format.as_deref() == Some("json") {
        let documents: Vec<Value> = rows
            .map(|(image, point)| json!({"id": image.id, "Repositories": image.names, "mountpoint": point}))
            .collect();
        writeln!(out, "{}", pretty(&documents, 1)?)?;
    } else {
        let cells = rows.map(|(image, point)| {
            vec![image.names.first().unwrap_or(&image.id).clone(), point.display().to_string()]
        });
        out.write_all(table(&cells.collect::<Vec<_>>()).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
