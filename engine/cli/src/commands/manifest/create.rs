//! `ketch manifest create`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::image::index::{AddOptions, create};

use super::annotations;
use crate::flags::{Connection, Retry};
use crate::globals::Globals;

/// Make an index, docker's manifest list
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Add the images of all platforms where an image is an index itself
    #[arg(long)]
    all: bool,
    /// An index that is there is added to
    #[arg(long, short)]
    amend: bool,
    /// KEY=VALUE: an annotation of the index
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    #[command(flatten)]
    connection: Connection,
    list: String,
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let options = AddOptions {
        access: args.connection.access(&Retry::default())?,
        all: args.all,
        ..AddOptions::default()
    };
    let annotations = annotations(&args.annotation)?;
    let engine = globals.engine()?;
    let id = create(&engine, &args.list, &args.images, args.amend, &annotations, &options)?;
    writeln!(std::io::stdout(), "{id}")?;
    Ok(ExitCode::SUCCESS)
}
