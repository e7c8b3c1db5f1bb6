//! `ketch manifest push`

use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::image::index::push;
use ketch_engine::image::remove::{remove, sweep};
use ketch_engine::image::transport::Place;

use crate::commands::image::push::{Sent, Signing};
use crate::commands::image::{show, show_warning};
use crate::flags::{Connection, Retry};
use crate::globals::Globals;

/// Push an index and its images to a registry
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Instances in more compressions: not available
    #[arg(long, value_name = "FORMAT")]
    add_compression: Vec<String>,
    /// Push the images, too
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    all: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    retry: Retry,
    /// Remove the index when it has been pushed
    #[arg(long)]
    rm: bool,
    #[command(flatten)]
    sent: Sent,
    #[command(flatten)]
    signing: Signing,
    list: String,
    /// NAME or docker://NAME [default: the index's name]
    destination: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    args.signing.refuse()?;
    ensure!(
        args.add_compression.is_empty(),
        "--add-compression is not available: push images in each compression, and add them"
    );
    let destination = args.destination.as_deref().unwrap_or(&args.list);
    let Place::Registry(reference) = Place::parse(destination)? else {
        bail!("{destination}: an index goes to registries alone: push its images to archives");
    };
    let options = args.sent.options(&args.connection, &args.retry)?;
    let engine = globals.engine()?;
    let mut progress = if args.sent.is_quiet() { show_warning } else { show };
    let digest = push(&engine, &args.list, &reference, args.all, &options, &mut progress)?;
    args.sent.note(&digest)?;
    if args.rm {
        remove(&engine, &args.list, true)?;
        sweep(&engine)?;
    }
    Ok(ExitCode::SUCCESS)
}
