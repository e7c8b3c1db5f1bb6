//! `ketch manifest inspect`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::image::index::{Shown, show};

use crate::flags::{Connection, Retry};
use crate::globals::Globals;
use crate::output::pretty;

/// Show an index of local storage or of a registry as JSON
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    list: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let access = args.connection.access(&Retry::default())?;
    let text = match show(&globals.engine()?, &args.list, &access)? {
        Shown::Index(index) => pretty(&index, 4)?,
        Shown::Manifest(manifest) => {
            let kind = manifest["mediaType"].as_str().unwrap_or("application/vnd.oci.image.manifest.v1+json");
            // podman's words.
            writeln!(
                std::io::stderr(),
                "WARNING: The manifest type {kind} is not a manifest list but a single image."
            )?;
            pretty(&manifest, 4)?
        }
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
