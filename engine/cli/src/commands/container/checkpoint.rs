//! `ketch container checkpoint`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{bail, ensure};
use ketch_engine::container::checkpoint::export::{Compression, Export};
use ketch_engine::container::checkpoint::{Options, Stage, Statistics, checkpoint};
use ketch_engine::container::{Status, status};
use serde_json::json;

use super::criu;
use super::select::{Containers, NOTHING, Selection, each};
use crate::commands::select::each_quietly;
use crate::globals::Globals;

/// Write the processes of running containers to disk, and end them
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Checkpoint all containers that run
    #[arg(long, short)]
    all: bool,
    /// How the archive is compressed
    #[arg(long, short, value_name = "ALGORITHM", value_parser = ["gzip", "none", "zstd"])]
    compress: Option<String>,
    /// Make an image of the checkpoint (not supported: refused)
    #[arg(long, value_name = "NAME")]
    create_image: Option<String>,
    /// Also write all that is needed to restore it elsewhere to this archive
    #[arg(long, short, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Take file locks along
    #[arg(long)]
    file_locks: bool,
    /// Leave what the container has changed in its root out of the archive
    #[arg(long)]
    ignore_rootfs: bool,
    /// Leave the container's volumes out of the archive
    #[arg(long)]
    ignore_volumes: bool,
    /// Keep CRIU's log and statistics
    #[arg(long, short)]
    keep: bool,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Let the container go on afterwards
    #[arg(long, short = 'R')]
    leave_running: bool,
    /// Write the memory only, of a container that goes on
    #[arg(long, short = 'P')]
    pre_checkpoint: bool,
    /// Say what it took
    #[arg(long)]
    print_stats: bool,
    /// Take established TCP connections along
    #[arg(long)]
    tcp_established: bool,
    /// Write what has changed since --pre-checkpoint
    #[arg(long)]
    with_previous: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let options = options(&args)?;
    let engine = globals.engine()?;
    let selection =
        Selection { all: args.all, latest: args.latest, names: args.containers, ..Selection::default() };
    let mut chosen = selection.find(&Containers(&engine), NOTHING)?;
    if args.all {
        chosen.retain(|chosen| matches!(status(&engine.paths, &chosen.item.id), Status::Running { .. }));
    }
    ensure!(options.export.is_none() || chosen.len() < 2, "--export takes one container at a time");
    if !args.print_stats {
        return each(chosen, |record| Ok(checkpoint(&engine, record, &options).map(drop)?));
    }
    let mut statistics = Vec::new();
    let code = each_quietly(chosen, |record| {
        statistics.push(shown(&record.id, &checkpoint(&engine, record, &options)?));
        Ok(())
    });
    criu::print_statistics("podman_checkpoint_duration", begun.elapsed(), &statistics)?;
    code
}

fn options(args: &Args) -> anyhow::Result<Options> {
    if args.create_image.is_some() {
        bail!("--create-image is not supported: use --export, and --import on the other side");
    }
    if args.export.is_none() {
        ensure!(args.compress.is_none(), "--compress can only be used with --export");
        ensure!(!args.ignore_rootfs, "--ignore-rootfs can only be used with --export");
        ensure!(!args.ignore_volumes, "--ignore-volumes can only be used with --export");
    }
    ensure!(
        !(args.pre_checkpoint && args.with_previous),
        "--with-previous can not be used with --pre-checkpoint"
    );
    ensure!(
        args.export.is_none() || !(args.pre_checkpoint || args.with_previous),
        "--export of a pre-checkpoint or with one is not supported: leave out --pre-checkpoint and --with-previous"
    );
    let compression = match args.compress.as_deref() {
        Some("gzip") => Compression::Gzip,
        Some("none") => Compression::None,
        _ => Compression::Zstd,
    };
    let export = match &args.export {
        Some(path) => Some(Export {
            path: std::path::absolute(path)?,
            compression,
            rootfs: !args.ignore_rootfs,
            volumes: !args.ignore_volumes,
        }),
        None => None,
    };
    Ok(Options {
        criu: criu::program(),
        network_lock: criu::network_lock(),
        stage: match (args.pre_checkpoint, args.with_previous) {
            (true, _) => Stage::Pre,
            (false, true) => Stage::AfterPre,
            (false, false) => Stage::Whole,
        },
        leave_running: args.leave_running,
        tcp_established: args.tcp_established,
        file_locks: args.file_locks,
        keep: args.keep,
        export,
    })
}

/// One container's part of the statistics, podman's fields.
fn shown(id: &str, statistics: &Statistics) -> serde_json::Value {
    let criu = statistics.criu.as_ref().map(|criu| {
        json!({
            "freezing_time": criu.freezing_time,
            "frozen_time": criu.frozen_time,
            "memdump_time": criu.memdump_time,
            "memwrite_time": criu.memwrite_time,
            "pages_scanned": criu.pages_scanned,
            "pages_written": criu.pages_written,
        })
    });
    criu::statistics_of(id, "runtime_checkpoint_duration", statistics.duration, criu)
}
