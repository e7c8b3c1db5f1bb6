//! `ketch commit`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use ketch_engine::container::commit::{Options, commit};
use ketch_engine::image::compose::Format;

use crate::commands::image::{show, show_warning};
use crate::globals::Globals;

/// Make an image of what a container is now
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Who has made it
    #[arg(long, short, value_name = "AUTHOR", default_value = "")]
    author: String,
    /// An instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// A file with a container configuration (JSON, docker's form) to merge into the image's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// oci or docker
    #[arg(long, short, default_value = "oci", value_parser = ["oci", "docker"])]
    format: String,
    /// Write the image's id to this file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Make the container's volumes the image's
    #[arg(long)]
    include_volumes: bool,
    /// What has been changed (docker's format only)
    #[arg(long, short, default_value = "")]
    message: String,
    /// Let the container's processes stand still meanwhile
    #[arg(
        long, short, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pause: bool,
    /// Print the id only
    #[arg(long, short)]
    quiet: bool,
    /// Make one layer of all
    #[arg(long, short)]
    squash: bool,
    container: String,
    /// The new image's name
    image: Option<String>,
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("--config: cannot read {}", path.display()))
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let record = engine.db.find_container(&args.container)?;
    let options = Options {
        name: args.image,
        author: args.author,
        message: args.message,
        config: args.config.map(|path| read(&path)).transpose()?,
        changes: args.change,
        format: if args.format == "docker" { Format::Docker } else { Format::Oci },
        include_volumes: args.include_volumes,
        pause: args.pause,
        squash: args.squash,
    };
    let mut progress = if args.quiet { show_warning } else { show };
    let id = commit(&engine, &record, &options, &mut progress)?;
    if let Some(path) = &args.iidfile {
        fs::write(path, &id).with_context(|| format!("cannot write the image's id to {}", path.display()))?;
    }
    writeln!(std::io::stdout(), "{id}")?;
    Ok(ExitCode::SUCCESS)
}
