//! `ketch completion SHELL`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::globals::Globals;

/// Print a script that completes ketch's command line in a shell
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Write to this file, not to stdout
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Which shell the script is for
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(_: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let script = match args.shell {
        Shell::Bash => include_str!("ketch.bash"),
        Shell::Zsh => include_str!("ketch.zsh"),
        Shell::Fish => include_str!("ketch.fish"),
    };
    match args.file {
        Some(path) => {
            std::fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => std::io::stdout().write_all(script.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}
