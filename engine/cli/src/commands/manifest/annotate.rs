//! `ketch manifest annotate`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::image::index::{annotate, annotate_index};

use super::add::Instance;
use super::annotations;
use crate::globals::Globals;

/// Change what an index says of an image, or of itself
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    change: Instance,
    /// Annotate the index itself
    #[arg(long)]
    index: bool,
    /// What the index is about: not available
    #[arg(long, value_name = "IMAGE")]
    subject: Option<String>,
    list: String,
    /// A digest in the index, or an image of the store
    #[arg(value_name = "DIGEST")]
    instance: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(args.subject.is_none(), "--subject is not available: ketch keeps no artifacts");
    let engine = globals.engine()?;
    let id = match &args.instance {
        _ if args.index => annotate_index(&engine, &args.list, &annotations(&args.change.annotation)?)?,
        Some(instance) => annotate(&engine, &args.list, instance, &args.change.change()?)?,
        None => bail!("expecting a digest or an image of the index, or --index"),
    };
    writeln!(std::io::stdout(), "{id}")?;
    Ok(ExitCode::SUCCESS)
}
