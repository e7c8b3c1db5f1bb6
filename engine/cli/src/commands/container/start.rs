//! `ketch start`

use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::Engine;
use ketch_engine::container::service::Service;
use ketch_engine::container::start::{Start, StartError, Started, start};
use ketch_engine::image::{self, Image};
use ketch_engine::state::containers::Record;
use ketch_monitor::attach::Options;

use super::select::{Containers, Selection, each};
use super::service;
use super::session::{self, message, stay};
use crate::globals::Globals;

/// Start containers
#[derive(Debug, clap::Parser)]
#[command(mut_arg("filter", |arg| arg.short('f')))]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Attach to stdout and stderr
    #[arg(long, short)]
    attach: bool,
    /// Keys that detach from a terminal; "" for none
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Attach to stdin
    #[arg(long, short)]
    interactive: bool,
    /// Pass signals on to the container [default: true with --attach]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sig_proxy: Option<bool>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let attach = args.attach || args.interactive;
    let Selection { all, names, .. } = &args.selection;
    if *all && !names.is_empty() {
        bail!("either start all containers or the container(s) provided in the arguments");
    }
    ensure!(names.len() < 2 || !attach, "you cannot start and attach multiple containers at once");
    if args.sig_proxy == Some(true) && !attach {
        bail!("you cannot use sig-proxy without --attach: invalid argument");
    }
    let engine = globals.engine()?;
    let nothing = "start requires at least one argument";
    let mut chosen = args.selection.find(&Containers(&engine), nothing)?;
    match chosen.pop() {
        Some(only) if attach && chosen.is_empty() => {
            let record = only.item;
            let streams = [args.interactive && record.options.stdin, args.attach, args.attach];
            let terminal = record.options.terminal;
            let options =
                session::options(terminal, streams, &args.detach_keys, args.sig_proxy.unwrap_or(true))?;
            let started = begin(&engine, &record, Some(options), service::given()?)?;
            started.session.map_or(Ok(ExitCode::SUCCESS), |session| stay(&record, session))
        }
        Some(_) if attach => bail!("you cannot start and attach multiple containers at once"),
        last => {
            chosen.extend(last);
            // Of several, the first gets it.
            let mut service = service::given()?;
            each(chosen, |record| begin(&engine, record, None, std::mem::take(&mut service)).map(|_| ()))
        }
    }
}

fn begin(
    engine: &Engine,
    record: &Record,
    attach: Option<Options>,
    service: Service,
) -> anyhow::Result<Started> {
    let image: Option<Image> = record.image_id.as_deref().map(|id| image::find(engine, id)).transpose()?;
    let detached = attach.is_none();
    let stdio = session::stdio(record)?;
    let how = Start { image: image.as_ref(), attach, detached, service, stdio, ..Start::default() };
    start(engine, record, how).map_err(|error| match error {
        error @ StartError::Paused(_) => error.into(),
        // As with podman, the exit code is 125 whatever the reason.
        error => {
            let (code, is_of_runtime) = (error.exit_code(), error.is_of_runtime());
            let cause = message(error, code, is_of_runtime);
            anyhow::anyhow!("unable to start container {:?}: {cause}", record.id)
        }
    })
}
