//! `ketch pod logs`

use std::process::ExitCode;

use anyhow::{bail, ensure};

use super::select::one;
use crate::commands::container::logs::{LogFlags, Look, print};
use crate::globals::Globals;

/// Show what the containers of a pod have written
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Only the container of this name or id
    #[arg(long, short, value_name = "CONTAINER")]
    container: Option<String>,
    /// The pod that was created last
    #[arg(long, short)]
    latest: bool,
    #[command(flatten)]
    flags: LogFlags,
    pod: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let query = args.flags.query()?;
    let look = |prefixed| Look { prefixed, color: args.flags.color };
    let engine = globals.engine()?;
    let nothing = "specify at least one pod name or ID to log";
    let pod = one(&engine, args.pod.as_deref(), args.latest, nothing)?;
    let mut members = engine.db.members(&pod.id)?;
    let Some(name) = &args.container else {
        // It writes nothing, and would be followed for ever.
        members.retain(|member| !member.options.infra);
        ensure!(
            !(query.follow && members.len() > 1),
            "--follow takes one container at a time: name it with --container"
        );
        return print(&engine, &members, &query, &look(Some(args.flags.names)));
    };
    // A name that is also the beginning of another's id is still that name.
    let by_name = members.iter().position(|member| member.name == *name);
    let found = by_name.or_else(|| members.iter().position(|member| member.id.starts_with(&**name)));
    let Some(found) = found else {
        bail!("container {name} is not in pod {}: no such container", pod.name);
    };
    print(&engine, &members[found..=found], &query, &look(None))
}
