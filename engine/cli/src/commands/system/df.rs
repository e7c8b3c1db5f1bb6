//! `ketch system df`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::container::Status;
use ketch_engine::image::reference::repository_of;
use ketch_engine::usage::{self, Usage};
use serde_json::{Value, json};

use crate::globals::Globals;
use crate::output::{Format, ago, decimal_size, table};

/// Show what images, containers and volumes take on the disk
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Each image, container and volume
    #[arg(long, short)]
    verbose: bool,
}

const HEADING: &[(&str, &str)] = &[
    ("Type", "TYPE"),
    ("Total", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(!args.verbose || args.format.is_none(), "cannot combine --format and --verbose flags");
    let usage = usage::read(&globals.engine()?)?;
    let text = match args.format.as_deref() {
        _ if args.verbose => each(&usage),
        Some("json") => {
            let rows: Vec<String> = rows(&usage).iter().map(|row| format!("    {row}")).collect();
            format!("[\n{}\n]\n", rows.join(",\n"))
        }
        Some(template) => Format::parse("system df", template)?.render(&rows(&usage), Some(HEADING))?,
        None => {
            let heading = HEADING.iter().map(|(_, title)| (*title).to_owned()).collect();
            let cells = |row: Value| HEADING.iter().map(|(name, _)| plain(&row[*name])).collect();
            table(&std::iter::once(heading).chain(rows(&usage).into_iter().map(cells)).collect::<Vec<_>>())
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn rows(usage: &Usage) -> [Value; 3] {
    let Usage { images, containers, volumes, .. } = usage;
    let running = |status: &Status| matches!(status, Status::Running { .. } | Status::Paused { .. });
    [
        row(
            "Images",
            images.len(),
            images.iter().filter(|image| image.containers > 0).count(),
            usage.layers,
            usage.unused_layers,
        ),
        row(
            "Containers",
            containers.len(),
            containers.iter().filter(|container| running(&container.status)).count(),
            containers.iter().map(|container| container.size).sum(),
            containers
                .iter()
                .filter(|container| !running(&container.status))
                .map(|container| container.size)
                .sum(),
        ),
        row(
            "Local Volumes",
            volumes.len(),
            volumes.iter().filter(|volume| volume.links > 0).count(),
            volumes.iter().map(|volume| volume.size).sum(),
            volumes.iter().filter(|volume| volume.links == 0).map(|volume| volume.size).sum(),
        ),
    ]
}

fn row(kind: &str, total: usize, active: usize, size: u64, reclaimable: u64) -> Value {
    let percent = if size == 0 { 0.0 } else { (reclaimable as f64 / size as f64 * 100.0).round() };
    json!({
        "Type": kind,
        "Total": total,
        "Active": active,
        "RawSize": size,
        "RawReclaimable": reclaimable,
        "TotalCount": total,
        "Size": decimal_size(size),
        "Reclaimable": format!("{} ({percent}%)", decimal_size(reclaimable)),
    })
}

/// Three tables, each with its title.
fn each(usage: &Usage) -> String {
    let mut images = vec![titles("REPOSITORY|TAG|IMAGE ID|CREATED|SIZE|SHARED SIZE|UNIQUE SIZE|CONTAINERS")];
    for usage::OfImage { image, shared, containers } in &usage.images {
        let name = image.names.first().map_or("<none>", String::as_str);
        let repository = repository_of(name);
        let created = image.config.created().as_deref().unwrap_or_default();
        images.push(vec![
            repository.to_owned(),
            name[repository.len()..].strip_prefix(':').unwrap_or("<none>").to_owned(),
            image.id[..12].to_owned(),
            ago(created).trim_end_matches(" ago").to_owned(),
            decimal_size(image.size),
            decimal_size(*shared),
            decimal_size(image.size.saturating_sub(*shared)),
            containers.to_string(),
        ]);
    }
    let mut containers = vec![titles("CONTAINER ID|IMAGE|COMMAND|LOCAL VOLUMES|SIZE|CREATED|STATUS|NAMES")];
    for usage::OfContainer { record, status, size, volumes } in &usage.containers {
        containers.push(vec![
            record.id[..12].to_owned(),
            record.image_id.as_deref().map_or("", |id| &id[..12]).to_owned(),
            [record.entrypoint.as_slice(), &record.command].concat().join(" "),
            volumes.to_string(),
            decimal_size(*size),
            ago(&record.created),
            status.name().to_owned(),
            record.name.clone(),
        ]);
    }
    let mut volumes = vec![titles("VOLUME NAME|LINKS|SIZE")];
    for volume in &usage.volumes {
        volumes.push(vec![volume.name.clone(), volume.links.to_string(), decimal_size(volume.size)]);
    }
    format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}",
        table(&images),
        table(&containers),
        table(&volumes)
    )
}

fn titles(text: &str) -> Vec<String> {
    text.split('|').map(str::to_owned).collect()
}
