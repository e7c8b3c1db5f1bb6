//! `ketch pod create`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use ketch_engine::Engine;
use ketch_engine::container::remove::Force;
use ketch_engine::pod::create::{Infra, create};
use ketch_engine::pod::remove::remove;
use ketch_engine::state::pods::FindPodError;

use crate::commands::container::image::of_infra;
use crate::flags::{PodFlags, into_pod_options};
use crate::globals::Globals;

/// Create a pod
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: PodFlags,
}

pub(crate) fn run(globals: &Globals, Args { flags }: Args) -> anyhow::Result<ExitCode> {
    let (mut pod, infra) = into_pod_options(&flags)?;
    ensure!(!flags.replace || pod.name.is_some(), "cannot replace pod without --name being set");
    pod.create_command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let engine = globals.engine()?;
    let image = infra.as_ref().map(|_| of_infra(&engine, flags.infra_image.as_deref())).transpose()?;
    if let (true, Some(name)) = (flags.replace, &pod.name) {
        replace(&engine, name)?;
    }
    let infra = infra.zip(image.as_ref()).map(|(options, image)| Infra { options, image });
    let pod = create(&engine, pod, infra.as_ref())?;
    if let Some(path) = &flags.pod_id_file
        && let Err(error) = std::fs::write(path, &pod.id)
    {
        remove(&engine, &pod, Force::No)?;
        return Err(error).with_context(|| format!("cannot write the pod's id to {}", path.display()));
    }
    writeln!(std::io::stdout(), "{}", pod.id)?;
    Ok(ExitCode::SUCCESS)
}

fn replace(engine: &Engine, name: &str) -> anyhow::Result<()> {
    match engine.db.find_pod(name) {
        Ok(old) if old.name == *name => drop(remove(engine, &old, Force::Stop { seconds: None })?),
        Ok(_) | Err(FindPodError::NotFound(_) | FindPodError::Ambiguous(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
