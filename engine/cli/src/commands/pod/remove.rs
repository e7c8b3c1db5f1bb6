//! `ketch pod rm`

use std::process::ExitCode;

use ketch_engine::Engine;
use ketch_engine::container::remove::Force;
use ketch_engine::pod::remove::{RemovePodError, remove};
use ketch_engine::state::pods::Pod;

use super::select::{Choice, each, id, no_such};
use crate::commands::container::stop::warn;
use crate::globals::Globals;

/// Remove pods and their containers
#[derive(Debug, clap::Parser)]
#[command(mut_arg("ignore", |arg| arg.short('i')))]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Stop the containers that run; pass over pods that do not exist
    #[arg(long, short)]
    force: bool,
    /// Seconds until SIGKILL; -1 for never [default: each container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let mut choice = args.choice;
    choice.selection.ignore |= args.force;
    let chosen = choice.find(&engine).map_err(no_such)?;
    let force = if args.force { Force::Stop { seconds: args.time } } else { Force::No };
    each(&chosen, id, |pod| remove_pod(&engine, pod, force).map(|()| Vec::new()))
}

/// Removes it, and warns of the containers that did not listen to their stop signal. Of several errors all but one are
/// printed, with podman's words.
pub(crate) fn remove_pod(engine: &Engine, pod: &Pod, force: Force) -> anyhow::Result<()> {
    match remove(engine, pod, force) {
        Ok(stopped) => {
            stopped.iter().for_each(|(record, how)| warn(record, *how));
            Ok(())
        }
        Err(RemovePodError::Members { id, members }) => {
            let last = anyhow::anyhow!("{}", RemovePodError::Members { id: id.clone(), members: Vec::new() });
            crate::failure::report(&last);
            let mut lines = members.into_iter().map(|member| {
                anyhow::anyhow!(
                    "error removing container {} from pod {id}: {:#}",
                    member.id,
                    anyhow::Error::from(member.cause)
                )
            });
            let first = lines.next().unwrap_or(last);
            for line in lines {
                crate::failure::report(&line);
            }
            Err(first)
        }
        Err(error) => Err(error.into()),
    }
}
