//! `ketch system migrate`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;

use crate::globals::Globals;

/// Bring containers of an older ketch up to this one: each command does, and there is nothing left to do
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Move podman's old database: ketch has none
    #[arg(long)]
    migrate_db: bool,
    /// Runtime of all containers: ketchrun
    #[arg(long, value_name = "RUNTIME")]
    new_runtime: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let runtime = args.new_runtime.as_deref().unwrap_or("ketchrun");
    ensure!(
        matches!(runtime, "ketchrun" | "ketch" | ""),
        "change to runtime {runtime:?} requested but no such runtime is defined: invalid argument"
    );
    // The state's layout is brought up when it is opened.
    globals.engine()?;
    if args.migrate_db {
        writeln!(std::io::stdout(), "No migration is necessary: backing database is already SQLite")?;
    }
    Ok(ExitCode::SUCCESS)
}
