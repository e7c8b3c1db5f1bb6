//! `ketch pull`

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use ketch_engine::image::pull::{PullOptions, pull};

use super::{show, show_warning};
use crate::flags::Registry;
use crate::globals::Globals;

/// Pull images from registries
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Print the image id only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    registry: Registry,
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let options = PullOptions { access: args.registry.access()?, platform: args.registry.platform()? };
    for name in &args.images {
        let id = pull(&engine, name, &options, &mut if args.quiet { show_warning } else { show })?;
        writeln!(std::io::stdout(), "{id}")?;
    }
    Ok(ExitCode::SUCCESS)
}
