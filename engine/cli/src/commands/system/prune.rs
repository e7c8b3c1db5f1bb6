//! `ketch system prune`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::Engine;
use ketch_engine::container::prune::prune as prune_containers;
use ketch_engine::container::remove::Force;
use ketch_engine::network::prune as network;
use ketch_engine::pod::Status;
use ketch_engine::pod::status::Whole;
use ketch_engine::usage;
use ketch_engine::volume::prune as volume;

use crate::commands::container::filter::{Others, filters};
use crate::commands::image::prune::{chosen, remove_all};
use crate::commands::pod::remove_pod;
use crate::globals::Globals;
use crate::output::{confirm, decimal_size};

/// Remove what nobody uses: containers and pods that have ended, networks and images, on request volumes
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All images that no container uses, and not only those without a name
    #[arg(long, short)]
    all: bool,
    /// Containers of a build too: ketch has none
    #[arg(long)]
    build: bool,
    /// Only what other programs have in the storage, which is nothing
    #[arg(long)]
    external: bool,
    /// Only what KEY=VALUE is true of: label, label!, until
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    force: bool,
    /// Volumes that no container uses too
    #[arg(long)]
    volumes: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let Args { all, build, external, filter, force, volumes } = &args;
    if *external {
        ensure!(
            !all && !build && filter.is_empty() && !force && !volumes,
            "system prune --external cannot be combined with other options"
        );
        globals.engine()?;
        return Ok(ExitCode::SUCCESS);
    }
    for text in filter {
        let key = text.split('=').next().unwrap_or_default();
        ensure!(["label", "label!", "until"].contains(&key), "{key} is an invalid filter");
    }
    if !force && !confirm(&warning(&args))? {
        return Ok(ExitCode::SUCCESS);
    }
    let engine = globals.engine()?;
    let mut report = Report::default();
    let before = used(&engine)?;
    report.section("Pods", |done| pods(&engine, filter, done))?;
    report.section("Containers", |done| {
        for pruned in prune_containers(&engine, &filters(&engine, filter)?, &Others(&engine))? {
            done(pruned.id, pruned.result.map_err(Into::into))?;
        }
        Ok(())
    })?;
    if *volumes {
        // podman's volumes have no `until` here.
        let labels: Vec<String> = filter.iter().filter(|text| text.starts_with("label")).cloned().collect();
        let filters = crate::commands::volume::list::filters(&engine, &labels)?;
        let names = volume::candidates(&engine, &filters)?;
        report.section("Volumes", |done| {
            let mut told = Ok(());
            volume::prune(&engine, &names, |name, result| {
                let now = done(name.to_owned(), result.map_err(Into::into));
                told = std::mem::replace(&mut told, Ok(())).and(now);
            });
            told
        })?;
    }
    report.section("Images", |done| remove_all(&engine, &chosen(&engine, *all, filter)?, done))?;
    report.section("Networks", |done| {
        let filters = crate::commands::network::list::filters(filter)?;
        let names = network::candidates(&engine, &filters)?;
        let mut told = Ok(());
        network::prune(&engine, &names, |name, result| {
            let now = done(name.to_owned(), result.map_err(Into::into));
            told = std::mem::replace(&mut told, Ok(())).and(now);
        })?;
        told
    })?;
    let freed = before.saturating_sub(used(&engine)?);
    writeln!(std::io::stdout(), "Total reclaimed space: {}", decimal_size(freed))?;
    report.failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// podman's words.
fn warning(args: &Args) -> String {
    let mut text = "WARNING! This command removes:\n\t- all stopped containers\n\t- all networks not used by at least one \
                    container\n"
        .to_owned();
    if args.volumes {
        text += "\t- all volumes not used by at least one container\n";
    }
    if args.build {
        text += "\t- all build containers\n";
    }
    text += match args.all {
        true => "\t- all images without at least one container associated with them\n\t- all build cache\n",
        false => "\t- all dangling images\n\t- all dangling build cache\n",
    };
    text
}

/// What is told of one thing: its name or id, and what came of its removal.
type Done<'a> = &'a mut dyn FnMut(String, anyhow::Result<()>) -> anyhow::Result<()>;

/// The first error; each later one has its line.
#[derive(Default)]
struct Report {
    failed: Option<anyhow::Error>,
}

impl Report {
    /// Has its heading when there is anything in it.
    fn section(
        &mut self,
        name: &str,
        work: impl FnOnce(Done<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut is_first = true;
        work(&mut |id, result| {
            match result {
                Ok(()) => {
                    if std::mem::take(&mut is_first) {
                        writeln!(std::io::stdout(), "Deleted {name}")?;
                    }
                    writeln!(std::io::stdout(), "{id}")?;
                }
                Err(error) if self.failed.is_none() => self.failed = Some(error),
                Err(error) => drop(crate::failure::report(&error)),
            }
            Ok(())
        })
    }
}

/// Those that have ended; with filters none, for podman has none for them here.
fn pods(engine: &Engine, filter: &[String], done: Done<'_>) -> anyhow::Result<()> {
    if !filter.is_empty() {
        return Ok(());
    }
    for pod in engine.db.pods()? {
        let status = Whole::read(engine, pod.clone())?.status();
        if matches!(status, Status::Exited | Status::Stopped) {
            done(pod.id.clone(), remove_pod(engine, &pod, Force::No))?;
        }
    }
    Ok(())
}

/// Bytes.
fn used(engine: &Engine) -> anyhow::Result<u64> {
    let usage = usage::read(engine)?;
    let containers: u64 = usage.containers.iter().map(|container| container.size).sum();
    let volumes: u64 = usage.volumes.iter().map(|volume| volume.size).sum();
    Ok(usage.layers + containers + volumes)
}
