//! `ketch system check`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use ketch_engine::check::{Damage, check, repair};

use crate::globals::Globals;
use crate::output::length;

/// Look whether the store is as it should be
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Remove damaged images with their containers too
    #[arg(long, short)]
    force: bool,
    /// Age from which on what nobody uses is damage
    #[arg(long, short, value_name = "TIME", default_value = "24h0m0s")]
    max: String,
    /// Do not read what is in the layers
    #[arg(long, short)]
    quick: bool,
    /// Remove damaged images, and what nobody uses
    #[arg(long, short)]
    repair: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let max: Duration =
        length(&args.max).with_context(|| format!("invalid duration {:?} for --max", args.max))?;
    let engine = globals.engine()?;
    let mut out = std::io::stdout();
    let mut left = false;
    for damage in check(&engine, args.quick, max)? {
        match &damage {
            Damage::Database(text) => writeln!(out, "Damaged database: {text}")?,
            Damage::Image { id, reason } => writeln!(out, "Damaged image {id}: {reason}")?,
            Damage::Leftover(path) => writeln!(out, "Unused: {}", path.display())?,
        }
        let wanted = args.repair || args.force;
        if wanted && repair(&engine, &damage, args.force)? {
            writeln!(out, "Removed")?;
        } else {
            left = true;
        }
    }
    if left {
        bail!("damage detected in local storage");
    }
    Ok(ExitCode::SUCCESS)
}
