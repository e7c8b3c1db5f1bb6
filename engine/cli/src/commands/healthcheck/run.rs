//! `ketch healthcheck run`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use ketch_engine::container::health::{self, Verdict};

use crate::commands::container::exec::protect;
use crate::globals::Globals;
use crate::rootless;

/// Run a container's health check, and say by the exit code how it went
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    container: String,
}

pub(crate) fn run(globals: &Globals, Args { container }: Args) -> anyhow::Result<ExitCode> {
    rootless::enter(&globals.paths()?)?;
    protect()?;
    let engine = globals.engine()?;
    let record = engine
        .db
        .find_container(&container)
        .with_context(|| format!("unable to look up {container} to perform a health check"))?;
    match health::check(&engine, &record)? {
        Verdict::Healthy => Ok(ExitCode::SUCCESS),
        verdict => {
            writeln!(std::io::stdout(), "{}", verdict.name())?;
            Ok(ExitCode::FAILURE)
        }
    }
}
