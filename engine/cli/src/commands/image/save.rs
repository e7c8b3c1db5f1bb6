//! `ketch save`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::ValueEnum;
use ketch_engine::image::save::{Compression, Format, Options, Output, save};

use super::{show, show_warning};
use crate::commands::archive::Archive;
use crate::globals::Globals;

/// Write an image as an archive or a directory that load, docker, podman and skopeo read
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Compress layers (docker-dir)
    #[arg(long)]
    compress: bool,
    /// docker-archive, docker-dir, oci-archive or oci-dir
    #[arg(long, default_value = "docker-archive")]
    format: String,
    /// All words are images, and not names of the first one (docker-archive)
    #[arg(long, short)]
    multi_image_archive: bool,
    /// Write here [default: stdout, unless it is a terminal]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print nothing
    #[arg(long, short)]
    quiet: bool,
    /// Leave layers uncompressed (oci-archive, oci-dir)
    #[arg(long)]
    uncompressed: bool,
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    DockerArchive,
    DockerDir,
    OciArchive,
    OciDir,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let Some((image, more)) = args.images.split_first() else { bail!("need at least 1 argument") };
    let Ok(kind) = Kind::from_str(&args.format, false) else {
        bail!("format value must be one of oci-dir oci-archive docker-dir docker-archive");
    };
    if let Some(output) = args.output.as_deref().filter(|path| path.to_string_lossy().contains(':')) {
        // podman's words: a colon parts a path from a name.
        bail!("invalid filename (should not contain ':') {:?}", output.display().to_string());
    }
    let is_directory = matches!(kind, Kind::DockerDir | Kind::OciDir);
    ensure!(
        !args.multi_image_archive || kind == Kind::DockerArchive,
        "unsupported format {:?} for saving multiple images (only docker-archive)",
        args.format
    );
    ensure!(
        !args.compress || kind == Kind::DockerDir,
        "--compress can only be set when --format is 'docker-dir'"
    );
    ensure!(
        !args.uncompressed || matches!(kind, Kind::OciArchive | Kind::OciDir),
        "--uncompressed can only be set when --format is 'oci-archive' or 'oci-dir'"
    );
    if let Some(output) = args.output.as_deref().filter(|_| kind == Kind::DockerArchive) {
        // podman's words.
        let is_there = fs::metadata(output).is_ok_and(|there| there.is_file() && there.len() > 0);
        ensure!(!is_there, "docker-archive doesn't support modifying existing images");
    }
    let options = Options {
        format: match kind {
            Kind::DockerArchive => Format::DockerArchive,
            Kind::DockerDir => Format::DockerDir,
            Kind::OciArchive => Format::OciArchive,
            Kind::OciDir => Format::OciDir,
        },
        more: more.to_vec(),
        more_are_images: args.multi_image_archive,
        compress: (args.compress || matches!(kind, Kind::OciArchive | Kind::OciDir) && !args.uncompressed)
            .then_some(Compression::Gzip),
        shown: args.output.as_deref().map_or_else(|| "-".to_owned(), |output| output.display().to_string()),
        ..Options::default()
    };
    let engine = globals.engine()?;
    let mut progress = if args.quiet { show_warning } else { show };
    match (&args.output, is_directory) {
        (None, true) => bail!("--output is required for --format {}: it is a directory", args.format),
        (Some(path), true) => {
            save(&engine, image, &options, Output::Directory(path), &mut progress)?;
        }
        (output, false) => {
            let mut archive = Archive::create(output.as_deref(), "save")?;
            save(&engine, image, &options, Output::Stream(&mut archive), &mut progress)?;
            archive.finish()?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
