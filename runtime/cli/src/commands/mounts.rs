use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use ketch_runtime::container::mounts::{add, remove};
use ketch_runtime::container::state::State;
use ketch_runtime::spec::Mount;

use crate::globals::Globals;

/// Add mounts to a running container, or remove some
///
/// They last as long as the container's processes do; its configuration stays as it is.
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// What to do
    action: Action,

    /// The container's id
    container: String,

    /// JSON as config.json's `mounts`; of those to remove only the destination counts
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Action {
    Add,
    Remove,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let state = State::load(&globals.root(), &args.container)?;
    let mounts = read(&args.file)?;
    match args.action {
        Action::Add => {
            let base = std::env::current_dir().context("cannot find out the current directory")?;
            add(&state, &mounts, &base)
                .with_context(|| format!("cannot add mounts to container {:?}", args.container))?;
        }
        Action::Remove => {
            let destinations: Vec<PathBuf> = mounts.iter().map(|mount| mount.destination().clone()).collect();
            remove(&state, &destinations)
                .with_context(|| format!("cannot remove mounts from container {:?}", args.container))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<Vec<Mount>> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mounts: Vec<Mount> = serde_json::from_slice(&text)
        .with_context(|| format!("{} holds no list of OCI mounts", path.display()))?;
    if mounts.is_empty() {
        bail!("{} holds no mount", path.display());
    }
    Ok(mounts)
}
