//! `ketch image unmount`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::image::mount::{mounted, unmount};

use crate::commands::container::mount::in_namespaces;
use crate::globals::Globals;

/// Take away what image mount has mounted
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All images
    #[arg(long, short)]
    all: bool,
    /// Also what is in use; every unmount is so
    #[arg(long, short)]
    force: bool,
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(args.all || !args.images.is_empty(), "image name or ID must be specified");
    ensure!(
        !args.all || args.images.is_empty(),
        "when using the --all switch, you may not pass any image names or IDs"
    );
    in_namespaces("image unmount")?;
    let engine = globals.engine()?;
    let names = match args.all {
        true => mounted(&engine)?.into_iter().map(|(image, _)| image.id).collect(),
        false => args.images,
    };
    for name in &names {
        if let Some(id) = unmount(&engine, name)? {
            writeln!(std::io::stdout(), "{id}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
