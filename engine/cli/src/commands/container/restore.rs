//! `ketch container restore`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{bail, ensure};
use ketch_engine::Engine;
use ketch_engine::container::checkpoint::import::{Import, import};
use ketch_engine::container::checkpoint::marker;
use ketch_engine::container::restore::{Options, Statistics, restore};
use ketch_engine::container::status;
use ketch_engine::image::{self, Image};
use ketch_engine::state::containers::Record;
use serde_json::json;

use super::criu;
use super::select::{Containers, NOTHING, Selection, each};
use crate::commands::select::{Chosen, each_quietly};
use crate::flags::ports::published;
use crate::globals::Globals;

/// Let containers go on from their checkpoints
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Restore all containers that have a checkpoint
    #[arg(long, short)]
    all: bool,
    /// Restore file locks
    #[arg(long)]
    file_locks: bool,
    /// Leave the archive's changes of the root alone
    #[arg(long)]
    ignore_rootfs: bool,
    /// Take the next free address in place of one that was asked for with --ip
    #[arg(long)]
    ignore_static_ip: bool,
    /// Take any hardware address in place of one that was asked for with --mac-address
    #[arg(long)]
    ignore_static_mac: bool,
    /// Leave the archive's volumes alone
    #[arg(long)]
    ignore_volumes: bool,
    /// Make the container from this archive
    #[arg(long, short, value_name = "FILE")]
    import: Option<PathBuf>,
    /// An archive with the memory of a pre-checkpoint (not supported: refused)
    #[arg(long, value_name = "FILE")]
    import_previous: Option<PathBuf>,
    /// Keep the images, CRIU's log and statistics
    #[arg(long, short)]
    keep: bool,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Name of the container that is made from an archive
    #[arg(long, short, value_name = "NAME")]
    name: Option<String>,
    /// Put the container that is made from an archive into this pod (not supported: refused)
    #[arg(long, value_name = "POD")]
    pod: Option<String>,
    /// Say what it took
    #[arg(long)]
    print_stats: bool,
    /// Publish these ports of a container that is made from an archive, in place of its own
    #[arg(long, short, value_name = "PORT")]
    publish: Vec<String>,
    /// Restore TCP connections as closed ones
    #[arg(long)]
    tcp_close: bool,
    /// Restore established TCP connections
    #[arg(long)]
    tcp_established: bool,
    /// Give the container of an archive what of this host its options ask for: binds, devices, capabilities and the like
    #[arg(long)]
    trust_archive: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    check(&args)?;
    let engine = globals.engine()?;
    let options = Options {
        criu: criu::program(),
        network_lock: criu::network_lock(),
        tcp_established: args.tcp_established,
        tcp_close: args.tcp_close,
        file_locks: args.file_locks,
        keep: args.keep,
        // As with podman: the original may be there still.
        ignore_static_ip: args.ignore_static_ip || args.name.is_some(),
        ignore_static_mac: args.ignore_static_mac || args.name.is_some(),
    };
    let mut statistics = Vec::new();
    let code = match &args.import {
        Some(archive) => {
            let wanted = Import {
                archive,
                name: args.name.as_deref(),
                rootfs: !args.ignore_rootfs,
                volumes: !args.ignore_volumes,
                trusted: args.trust_archive,
                ports: &published(&args.publish)?,
            };
            let record = import(&engine, &wanted)?;
            let chosen = vec![Chosen { shown: record.id.clone(), item: record }];
            let work = |record: &Record| {
                let done = again(&engine, record, &options).inspect_err(|_| {
                    // Nobody asked for a container that does not run.
                    let _ = ketch_engine::container::checkpoint::import::undo(&engine, record);
                })?;
                statistics.push(shown(&record.id, &done));
                Ok(())
            };
            if args.print_stats { each_quietly(chosen, work) } else { each(chosen, work) }
        }
        None => {
            let chosen = wanted(&engine, &args)?;
            let work = |record: &Record| {
                statistics.push(shown(&record.id, &again(&engine, record, &options)?));
                Ok(())
            };
            if args.print_stats { each_quietly(chosen, work) } else { each(chosen, work) }
        }
    };
    if args.print_stats {
        criu::print_statistics("podman_restore_duration", begun.elapsed(), &statistics)?;
    }
    code
}

/// What does not go together, in podman's words, and what is not to be had.
fn check(args: &Args) -> anyhow::Result<()> {
    if args.import.is_none() {
        for (given, flag) in [
            (args.ignore_rootfs, "ignore-rootfs"),
            (args.ignore_volumes, "ignore-volumes"),
            (args.name.is_some(), "name"),
            (args.pod.is_some(), "pod"),
            (args.import_previous.is_some(), "import-previous"),
            (!args.publish.is_empty(), "publish"),
            (args.trust_archive, "trust-archive"),
        ] {
            ensure!(!given, "--{flag} can only be used with image or --import");
        }
    } else {
        ensure!(
            args.containers.is_empty() && !args.all && !args.latest,
            "cannot use --import with containers, --all or --latest"
        );
    }
    if args.import_previous.is_some() {
        bail!("--import-previous is not supported: export the checkpoint without --with-previous");
    }
    if args.pod.is_some() {
        bail!("--pod is not supported yet");
    }
    ensure!(
        !(args.tcp_close && args.tcp_established),
        "--tcp-close and --tcp-established exclude each other"
    );
    Ok(())
}

fn wanted(engine: &Engine, args: &Args) -> anyhow::Result<Vec<Chosen<Record>>> {
    let selection = Selection {
        all: args.all,
        latest: args.latest,
        names: args.containers.clone(),
        ..Selection::default()
    };
    let mut chosen = selection.find(&Containers(engine), NOTHING)?;
    if args.all {
        chosen.retain(|chosen| {
            let id = &chosen.item.id;
            !status(&engine.paths, id).is_alive() && marker::has_images(&engine.paths.container(id))
        });
    }
    Ok(chosen)
}

fn again(engine: &Engine, record: &Record, options: &Options) -> anyhow::Result<Statistics> {
    let image: Option<Image> = record.image_id.as_deref().map(|id| image::find(engine, id)).transpose()?;
    Ok(restore(engine, record, image.as_ref(), options)?)
}

/// One container's part of the statistics, podman's fields.
fn shown(id: &str, statistics: &Statistics) -> serde_json::Value {
    let criu = statistics.criu.as_ref().map(|criu| {
        json!({
            "pages_compared": criu.pages_compared,
            "pages_skipped_cow": criu.pages_skipped_cow,
            "forking_time": criu.forking_time,
            "restore_time": criu.restore_time,
            "pages_restored": criu.pages_restored.unwrap_or_default(),
        })
    });
    criu::statistics_of(id, "runtime_restore_duration", statistics.duration, criu)
}
