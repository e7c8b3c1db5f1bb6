//! `ketch attach`

use std::process::ExitCode;

use anyhow::{Context, bail};
use ketch_engine::container::{Status, status};
use ketch_engine::events::{Action, Event};
use ketch_monitor::attach::connect;

use super::select::one;
use super::session::{self, stay};
use crate::globals::Globals;

/// Attach to a running container
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Keys that detach from a terminal; "" for none
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Do not attach stdin
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to the container
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    sig_proxy: bool,
    #[arg(value_name = "CONTAINER")]
    container: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let nothing = "\"ketch attach\" requires a name, id, or the \"--latest\" flag";
    let record = one(&engine, args.container.as_deref(), args.latest, nothing)?;
    let status = status(&engine.paths, &record.id);
    if !status.is_alive() || matches!(status, Status::Initialized { .. }) {
        bail!("attaching to container {}: you can only attach to running containers", record.id);
    }
    if record.options.log.driver.as_deref() == Some("passthrough") {
        bail!(
            "this container is using the 'passthrough' log driver, cannot attach: container state improper"
        );
    }
    let streams = [record.options.stdin && !args.no_stdin, true, true];
    let options = session::options(record.options.terminal, streams, &args.detach_keys, args.sig_proxy)?;
    let session = connect(&engine.paths.container_run(&record.id), options)
        .with_context(|| format!("attaching to container {}: its monitor does not answer", record.id))?;
    engine.event(Event::of_container(&record, Action::Attach));
    stay(&record, session)
}
