//! `ketch load`

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ketch_engine::image::load::{Source, load};

use super::{show, show_warning};
use crate::flags::policy;
use crate::globals::Globals;

/// Load images from an archive or a directory of docker's or of OCI's format
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Read the archive from a file or directory [default: stdin]
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print the names of the images only
    #[arg(short, long)]
    quiet: bool,
    /// File that says which images may come in (containers-policy.json(5))
    #[arg(long, value_name = "FILE", hide = true)]
    signature_policy: Option<PathBuf>,
}

pub(crate) fn run(
    globals: &Globals,
    Args { input, quiet, signature_policy }: Args,
) -> anyhow::Result<ExitCode> {
    let mut stdin = std::io::stdin().lock();
    let source = match &input {
        Some(path) => Source::File(path),
        None if stdin.is_terminal() => {
            anyhow::bail!("cannot read from terminal, use command-line redirection or the --input flag")
        }
        None => Source::Stream(&mut stdin),
    };
    // Which of the two it is shows later; neither policy lets a load in that both would refuse.
    let policy = policy(signature_policy.as_deref())?;
    let path = input.as_deref().unwrap_or(Path::new("-"));
    if policy.admit_local("oci-archive", path).is_err() {
        policy.admit_local("docker-archive", path)?;
    }
    let mut progress = if quiet { show_warning } else { show };
    for name in load(&globals.engine()?, source, &mut progress)? {
        writeln!(std::io::stdout(), "Loaded image: {name}")?;
    }
    Ok(ExitCode::SUCCESS)
}
