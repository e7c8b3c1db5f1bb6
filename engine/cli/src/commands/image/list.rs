//! `ketch images`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use clap::{ArgAction, Parser, ValueEnum};
use ketch_engine::Engine;
use ketch_engine::image::filter::Filter;
use ketch_engine::image::reference::repository_of;
use ketch_engine::image::{self, Image};
use serde_json::{Value, json};

use super::filter::filters;
use crate::globals::Globals;
use crate::output::{Format, ago, go_time, human_size, pretty, table, unix_seconds};

/// List images in local storage
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Show all images; there are no intermediate ones, so this changes nothing
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// KEY=VALUE or KEY!=VALUE: before, containers, dangling, digest, id, intermediate, label, manifest, readonly, reference, since, until
    #[arg(short, long, value_name = "FILTER", action = ArgAction::Append)]
    filter: Vec<String>,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Show the names that each had, too
    #[arg(long)]
    history: bool,
    /// Do not print the table's first line
    #[arg(short, long, visible_alias = "noheading")]
    noheading: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Sort by created, id, repository, size or tag
    #[arg(long, value_name = "FIELD", default_value = "created")]
    sort: Sort,
    /// Name or pattern of images to show
    image: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sort {
    Created,
    Id,
    Repository,
    Size,
    Tag,
}

/// A line of the table: an image under one of its names.
struct Row<'a> {
    image: &'a Image,
    repository: &'a str,
    tag: &'a str,
}

pub(crate) fn run(globals: &Globals, mut args: Args) -> anyhow::Result<ExitCode> {
    // podman's words.
    ensure!(args.image.is_none() || args.filter.is_empty(), "cannot specify an image and a filter(s)");
    let engine = globals.engine()?;
    let all = image::list(&engine)?;
    let mut filters = filters(&engine, &args.filter, &all)?;
    filters.extend(args.image.take().as_deref().map(Filter::reference));
    let chosen = all.iter().rev().filter(|image| filters.iter().all(|filter| filter.matches(image)));
    let mut rows: Vec<Row<'_>> = chosen.flat_map(|image| rows_of(image, &filters)).collect();
    sort(&mut rows, args.sort);
    std::io::stdout().write_all(text(&engine, &rows, &args)?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn rows_of<'a>(image: &'a Image, filters: &[Filter]) -> Vec<Row<'a>> {
    if image.names.is_empty() {
        return vec![Row { image, repository: "<none>", tag: "<none>" }];
    }
    // A filter that is one of the names asks for that name alone.
    let is_picked = |name: &str| filters.iter().any(|filter| filter.picks(name) == Some(true));
    let picks = image.names.iter().any(|name| is_picked(name));
    let names = image.names.iter().filter(|name| !picks || is_picked(name));
    names
        .map(|name| {
            let repository = repository_of(name);
            let tag = name[repository.len()..].strip_prefix(':').unwrap_or("<none>");
            Row { image, repository, tag }
        })
        .collect()
}

fn sort(rows: &mut [Row<'_>], sort: Sort) {
    let created =
        |row: &Row<'_>| row.image.config.created().as_deref().and_then(unix_seconds).unwrap_or(i64::MIN);
    match sort {
        // Those of one moment as they came.
        Sort::Created => rows.sort_by_key(|row| std::cmp::Reverse(created(row))),
        Sort::Id => rows.sort_by(|a, b| a.image.id.cmp(&b.image.id)),
        Sort::Repository => rows.sort_by(|a, b| (a.repository, a.tag).cmp(&(b.repository, b.tag))),
        Sort::Size => rows.sort_by_key(|row| row.image.size),
        Sort::Tag => rows.sort_by(|a, b| (a.tag, a.repository).cmp(&(b.tag, b.repository))),
    }
}

fn text(engine: &Engine, rows: &[Row<'_>], args: &Args) -> anyhow::Result<String> {
    if args.quiet && args.format.as_deref() != Some("json") {
        let mut ids: Vec<String> = rows.iter().map(|row| id(row, args.no_trunc)).collect();
        ids.dedup();
        return Ok(ids.into_iter().map(|id| id + "\n").collect());
    }
    match args.format.as_deref() {
        Some("json") => {
            let documents = rows.iter().map(|row| document(engine, row)).collect::<Result<Vec<_>, _>>()?;
            Ok(pretty(&documents, 4)? + "\n")
        }
        Some(template) => {
            let format = Format::parse("images", template)?;
            let fields =
                rows.iter().map(|row| fields(engine, row, args.no_trunc)).collect::<Result<Vec<_>, _>>()?;
            format.render(&fields, (!args.noheading).then_some(HEADING))
        }
        None => Ok(plain(rows, args)),
    }
}

fn plain(rows: &[Row<'_>], args: &Args) -> String {
    let mut lines = Vec::new();
    if !args.noheading {
        let digest = args.digests.then_some("DIGEST");
        let names = ["REPOSITORY", "TAG"].into_iter().chain(digest).chain(["IMAGE ID", "CREATED", "SIZE"]);
        let names = names.chain(args.history.then_some("HISTORY"));
        lines.push(names.map(str::to_owned).collect());
    }
    for row in rows {
        let mut cells = vec![row.repository.to_owned(), row.tag.to_owned()];
        cells.extend(args.digests.then(|| row.image.digest.clone()));
        cells.extend([id(row, args.no_trunc), since(row), human_size(row.image.size)]);
        cells.extend(args.history.then(|| history(row)));
        lines.push(cells);
    }
    table(&lines)
}

/// What `--format` can name, and the heading of each in a table.
const HEADING: &[(&str, &str)] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "IMAGE ID"),
    ("Id", "IMAGE ID"),
    ("Digest", "DIGEST"),
    ("Created", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("Size", "SIZE"),
    ("VirtualSize", "SIZE"),
    ("Names", "NAMES"),
    ("RepoTags", "REPO TAGS"),
    ("RepoDigests", "REPO DIGESTS"),
    ("Labels", "LABELS"),
    ("Containers", "CONTAINERS"),
    ("History", "HISTORY"),
    ("ParentId", "PARENT ID"),
    ("SharedSize", "SHARED SIZE"),
    ("CreatedTime", "CREATED TIME"),
    ("Dangling", "DANGLING"),
    ("ReadOnly", "R/O"),
    ("Arch", "ARCH"),
    ("Os", "OS"),
    ("IsManifestList", "IS MANIFEST LIST"),
];

fn fields(engine: &Engine, row: &Row<'_>, whole_id: bool) -> anyhow::Result<Value> {
    Ok(json!({
        "Repository": row.repository,
        "Tag": row.tag,
        "ID": id(row, whole_id),
        "Id": row.image.id,
        "Digest": row.image.digest,
        "Created": since(row),
        "CreatedAt": go_time(created(row)),
        "CreatedSince": since(row),
        "Size": human_size(row.image.size),
        "VirtualSize": row.image.size,
        "Names": row.image.names,
        "RepoTags": row.image.names,
        "RepoDigests": row.image.repo_digests,
        // An empty map, which prints as Go prints its own.
        "Labels": row.image.config.labels_of_config().cloned().unwrap_or_default(),
        "Containers": engine.db.containers_of_image(&row.image.id)?.len(),
        "History": history(row),
        "ParentId": "",
        "SharedSize": 0,
        "CreatedTime": go_time(created(row)),
        "Dangling": row.image.names.is_empty(),
        "ReadOnly": false,
        // podman has them, and fills them nowhere.
        "Arch": "",
        "Os": "",
        "IsManifestList": null,
    }))
}

/// podman's document of `--format json`.
fn document(engine: &Engine, row: &Row<'_>) -> anyhow::Result<Value> {
    let Image { id, digest, names, repo_digests, size, config, .. } = row.image;
    Ok(json!({
        "Id": id,
        "ParentId": "",
        "RepoTags": null,
        "RepoDigests": repo_digests,
        "Size": size,
        "SharedSize": 0,
        "VirtualSize": size,
        "Labels": config.labels_of_config(),
        "Containers": engine.db.containers_of_image(id)?.len(),
        "Digest": digest,
        "History": names.iter().rev().collect::<Vec<_>>(),
        "Names": names,
        "Created": unix_seconds(created(row)).unwrap_or(0),
        "CreatedAt": config.created(),
    }))
}

fn history(row: &Row<'_>) -> String {
    row.image.names.iter().rev().cloned().collect::<Vec<_>>().join(", ")
}

/// docker's word for an image that does not say when it was made.
fn since(row: &Row<'_>) -> String {
    Some(ago(created(row))).filter(|ago| !ago.is_empty()).unwrap_or_else(|| "N/A".to_owned())
}

fn created<'a>(row: &Row<'a>) -> &'a str {
    row.image.config.created().as_deref().unwrap_or_default()
}

/// Twelve digits, or all behind `sha256:`.
fn id(row: &Row<'_>, whole: bool) -> String {
    if whole { format!("sha256:{}", row.image.id) } else { row.image.id[..12].to_owned() }
}
