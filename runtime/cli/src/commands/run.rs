use std::os::fd::AsFd;
use std::process::ExitCode;

use anyhow::Context;
use ketch_runtime::container::delete::delete_stopped;
use ketch_runtime::terminal::{self, Beside};

use crate::bundle::{self, Flags, Life};
use crate::globals::Globals;
use crate::notify::{self, Notify};
use crate::{report, streams};

/// Make a container from a bundle, start it, and delete it when it has ended
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The new container's id
    container: String,

    #[command(flatten)]
    flags: Flags,

    /// Return once the container runs; it is deleted by `delete`
    #[arg(short, long)]
    detach: bool,

    /// Leave the container's state and cgroups when it has ended
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let Args { container, flags, detach, keep } = args;
    let life = if *detach { Life::Detached } else { Life::Foreground };
    if !*detach {
        terminal::hold_signals()?;
    }
    let root = globals.root();
    let mut created = bundle::create(globals, container, flags, life)
        .with_context(|| format!("cannot run container {container:?}"))?;
    let notify = match notify::service() {
        Some(service) => Notify::bind(&root, container, service)?,
        None => None,
    };
    created.start().with_context(|| format!("cannot run container {container:?}"))?;
    if *detach {
        if let Some(notify) = &notify {
            notify.wait(globals, &created.pidfd, created.state.pid)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut forward = notify.as_ref().map(|notify| move || notify.forward(globals, None));
    let beside = notify.as_ref().zip(forward.as_mut());
    let beside = beside.map(|(notify, forward)| Beside { fd: notify.as_fd(), ready: forward });
    let ended = streams::attend(&created.pidfd, created.console.take(), beside);
    if !*keep {
        let deleted = delete_stopped(&root, &created.state)?;
        deleted.warnings.iter().for_each(|warning| report::warning(globals, warning));
    }
    ended
}
