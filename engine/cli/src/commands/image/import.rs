//! `ketch import`

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::image::Platform;
use ketch_engine::image::tarball::{Options, Source, import_tarball};

use super::{show, show_warning};
use crate::globals::Globals;

/// Make an image of one layer of a tar archive, which may be compressed
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The processor that it is for
    #[arg(long, value_name = "ARCHITECTURE")]
    arch: Option<String>,
    /// An instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// The comment in the image's history
    #[arg(long, short, default_value = "")]
    message: String,
    /// The operating system that it is for
    #[arg(long, value_name = "SYSTEM")]
    os: Option<String>,
    /// Print the id only
    #[arg(long, short)]
    quiet: bool,
    /// The processor's variant
    #[arg(long)]
    variant: Option<String>,
    /// A file, an URL, or - for stdin
    path: String,
    /// The image's name
    reference: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let host = Platform::host();
    let options = Options {
        name: args.reference,
        changes: args.change,
        message: args.message,
        platform: Platform {
            os: args.os.unwrap_or(host.os),
            architecture: args.arch.unwrap_or(host.architecture),
            variant: args.variant,
        },
    };
    let mut stdin = io::stdin().lock();
    let source = match args.path.as_str() {
        "-" => {
            ensure!(!stdin.is_terminal(), "cannot read from terminal, use command-line redirection");
            Source::Stream(&mut stdin)
        }
        url if url.starts_with("http://") || url.starts_with("https://") => Source::Url(url),
        path => Source::File(Path::new(path)),
    };
    let mut progress = if args.quiet { show_warning } else { show };
    let id = import_tarball(&engine, source, &options, &mut progress)?;
    writeln!(io::stdout(), "sha256:{id}")?;
    Ok(ExitCode::SUCCESS)
}
