//! `ketch run`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::start::{Start, start};

use super::create::{Made, make};
use super::service;
use super::session::{self, failure, message, stay};
use crate::flags::{ContainerFlags, RunFlags, Stream, into_options};
use crate::globals::Globals;

/// Run a command in a new container
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    run: RunFlags,
    #[command(flatten)]
    container: ContainerFlags,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let mut options = into_options(&args.container)?;
    args.run.apply(&mut options);
    let RunFlags { detach, detach_keys, sig_proxy, preserve, .. } = &args.run;
    let passes = options.log.driver.as_deref() == Some("passthrough");
    let streams = if passes { [false; 3] } else { streams(&args.container.attach, options.stdin) };
    let attach = session::options(options.terminal, streams, detach_keys, *sig_proxy)?;
    session::warn_without_terminal(options.terminal, options.stdin);

    let engine = globals.engine()?;
    let Made { record, image, host } = make(&engine, &args.container, options)?;
    let service = service::given()?;
    let preserved = preserve.take(service.listening.len())?;
    let stdio = session::stdio(&record)?;
    let how = Start {
        image: image.as_ref(),
        host: Some(host),
        attach: (!detach).then_some(attach),
        detached: *detach,
        service,
        preserved,
        stdio,
        ..Start::default()
    };
    let started = start(&engine, &record, how).map_err(|error| {
        let (code, is_of_runtime) = (error.exit_code(), error.is_of_runtime());
        failure(code, message(error, code, is_of_runtime))
    })?;
    // Whoever sees no output is told what it is that runs.
    if *detach || !(passes || streams[1] || streams[2]) {
        writeln!(std::io::stdout(), "{}", record.id)?;
    }
    started.session.map_or(Ok(ExitCode::SUCCESS), |session| stay(&record, session))
}

/// stdin, stdout, stderr: those of `-a`, or all, but stdin only with `-i`.
pub(super) fn streams(attach: &[Stream], stdin: bool) -> [bool; 3] {
    let wants = |stream| attach.is_empty() || attach.contains(&stream);
    [stdin && wants(Stream::Stdin), wants(Stream::Stdout), wants(Stream::Stderr)]
}
