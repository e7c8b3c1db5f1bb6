//! `ketch system reset`

use std::process::ExitCode;

use ketch_engine::container::remove::Force;
use ketch_engine::{container, image, network, pod, secret, volume};

use crate::globals::Globals;
use crate::output::confirm;

/// Remove all containers, pods, images, networks and volumes
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Do not ask
    #[arg(long, short)]
    force: bool,
}

/// What is removed: podman's words.
const WARNING: &str = "WARNING! This will remove:
        - all containers
        - all pods
        - all images
        - all networks
        - all volumes";

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    if !args.force && !confirm(WARNING)? {
        return Ok(ExitCode::SUCCESS);
    }
    let engine = globals.engine()?;
    let force = Force::Stop { seconds: Some(0) };
    for pod in engine.db.pods()? {
        pod::remove::remove(&engine, &pod, force)?;
    }
    // The youngest first: one joins only what is older.
    for record in engine.db.containers()?.iter().rev() {
        container::remove::remove(&engine, record, force, true)?;
    }
    for volume in engine.db.volumes()? {
        volume::remove(&engine, &volume.name, Some(force))?;
    }
    for secret in engine.db.secrets()? {
        secret::remove(&engine, &secret.id)?;
    }
    let mut failed = None;
    let networks = network::prune::candidates(&engine, &[])?;
    network::prune::prune(&engine, &networks, |_, removed| {
        if let Err(error) = removed {
            failed.get_or_insert(error);
        }
    })?;
    failed.map_or(Ok(()), Err)?;
    for image in image::list(&engine)? {
        image::remove::remove(&engine, &image.id, true)?;
    }
    image::remove::sweep(&engine)?;
    Ok(ExitCode::SUCCESS)
}
