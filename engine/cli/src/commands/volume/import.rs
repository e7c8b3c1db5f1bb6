//! `ketch volume import`

use std::fs::File;
use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use ketch_engine::volume::archive::import;

use crate::globals::Globals;

/// Extract a tar archive, compressed or not, into a volume
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Name of the volume, and the archive, - for stdin
    #[arg(value_names = ["VOLUME", "FILE"], num_args = 0..)]
    words: Vec<String>,
}

pub(crate) fn run(globals: &Globals, Args { words }: Args) -> anyhow::Result<ExitCode> {
    let [volume, source] = &words[..] else {
        bail!("accepts 2 arg(s), received {}", words.len());
    };
    let engine = globals.engine()?;
    if source == "-" {
        let stdin = std::io::stdin();
        ensure!(
            !stdin.is_terminal(),
            "cannot read an archive from a terminal: redirect stdin from a file or a pipe"
        );
        import(&engine, volume, stdin.lock())?;
    } else {
        let file = File::open(source).with_context(|| format!("unable open input file: open {source}"))?;
        import(&engine, volume, file)?;
    }
    Ok(ExitCode::SUCCESS)
}
