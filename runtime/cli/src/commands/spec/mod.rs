use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use nix::unistd::{getegid, geteuid};

use crate::globals::Globals;

mod rootless;

/// Write a config.json to start from: sh on a terminal, in a read-only root
#[derive(Debug, clap::Parser)]
pub struct Args {
    /// Where to write config.json [default: the current directory]
    #[arg(short, long, value_name = "DIR")]
    bundle: Option<PathBuf>,

    /// For a container that an ordinary user can make: root in it is the caller
    #[arg(long)]
    rootless: bool,
}

/// What `runc spec` writes, but for the host name.
const ROOT: &str = include_str!("root.json");

pub fn run(_globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let path = args.bundle.unwrap_or_default().join("config.json");
    let text = if args.rootless {
        rootless::config(ROOT, geteuid().as_raw(), getegid().as_raw())?
    } else {
        ROOT.to_owned()
    };
    match File::create_new(&path) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => bail!("{} exists: remove it first", path.display()),
        Err(e) => Err(e),
    }
    .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}
