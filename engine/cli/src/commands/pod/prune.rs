//! `ketch pod prune`

use std::io::{BufRead, Write};
use std::process::ExitCode;

use anyhow::bail;
use ketch_engine::container::remove::Force;
use ketch_engine::pod::Status;
use ketch_engine::pod::status::Whole;

use super::remove::remove_pod;
use crate::failure::report;
use crate::globals::Globals;

/// Remove all pods that have ended, with their containers
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Do not ask
    #[arg(long, short)]
    force: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    if !args.force && !confirmed()? {
        return Ok(ExitCode::SUCCESS);
    }
    let engine = globals.engine()?;
    let mut code = ExitCode::SUCCESS;
    for pod in engine.db.pods()? {
        let status = Whole::read(&engine, pod.clone())?.status();
        if !matches!(status, Status::Exited | Status::Stopped) {
            continue;
        }
        match remove_pod(&engine, &pod, Force::No) {
            Ok(()) => writeln!(std::io::stdout(), "{}", pod.id)?,
            Err(error) => code = report(&error),
        }
    }
    Ok(code)
}

fn confirmed() -> anyhow::Result<bool> {
    let mut out = std::io::stdout();
    write!(
        out,
        "WARNING! This will remove all stopped/exited pods..\nAre you sure you want to continue? [y/N] "
    )?;
    out.flush()?;
    let mut answer = String::new();
    if std::io::stdin().lock().read_line(&mut answer)? == 0 {
        bail!("EOF");
    }
    Ok(answer.to_ascii_lowercase().starts_with('y'))
}
