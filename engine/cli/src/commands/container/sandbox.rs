//! `ketch sandbox`

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use ketch_engine::container::account::{self, Report, Wanted};
use ketch_engine::container::start::{Start, StartError, start};
use ketch_sys::inherit;

use super::create::{Made, make};
use super::run::streams;
use super::service;
use super::session::{self, failure, message, stay};
use super::summary;
use crate::flags::{ContainerFlags, SandboxFlags, SummaryForm, as_sandbox, into_sandbox};
use crate::globals::Globals;

/// Exit code of one whose time was up: that of timeout(1).
const TIMED_OUT: u8 = 124;

const ABOUT: &str = "\
The command has the host's root, or an image's, and changes nothing of it. It starts in the working directory, without a
network, with no more privileges than a container's, with none of the caller's variables (-e gives them), and has of the
host's files what -v makes writable. When it ends, nothing is left of it.

Exits as the command does; with 124 when --timeout has ended it, 125 when ketch has failed, 126 or 127 when the command
could not be started.";

/// Run a command where it can do no harm, and tell what it has used and changed
#[derive(Debug, clap::Parser)]
#[command(after_help = ABOUT)]
struct Flags {
    #[command(flatten)]
    sandbox: SandboxFlags,
    #[command(flatten)]
    container: ContainerFlags,
}

/// [`Flags`], with those of `run` as they are for a sandbox.
#[derive(Debug)]
pub(crate) struct Args(Flags);

impl CommandFactory for Args {
    fn command() -> Command {
        as_sandbox(Flags::command())
    }

    fn command_for_update() -> Command {
        as_sandbox(Flags::command_for_update())
    }
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Args, clap::Error> {
        Flags::from_arg_matches(matches).map(Args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl clap::Parser for Args {}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let Args(Flags { sandbox, mut container }) = args;
    let own_directory = container.is_without_workdir();
    let options = into_sandbox(&mut container, &sandbox)?;
    let streams = streams(&container.attach, options.stdin);
    // Nobody comes back to one that was detached from.
    let attach = session::options(options.terminal, streams, "", true)?;
    session::warn_without_terminal(options.terminal, options.stdin);
    // Before this program opens files of its own.
    let mut place = place(sandbox.summary_fd)?;

    let engine = globals.engine()?;
    let Made { record, image, host } = make(&engine, &container, options)?;
    let service = service::given()?;
    let stdio = session::stdio(&record)?;
    let (wanted, report) =
        Wanted::new(sandbox.summary != SummaryForm::None).context("cannot make a file for the summary")?;
    let how = Start {
        image: image.as_ref(),
        host: Some(host),
        attach: Some(attach),
        service,
        stdio,
        account: Some(wanted),
        ..Start::default()
    };
    let started = start(&engine, &record, how).map_err(|error| {
        let (code, is_of_runtime) = (error.exit_code(), error.is_of_runtime());
        let hint = if own_directory { hint(&error) } else { None };
        failure(code, message(error, code, is_of_runtime) + &hint.unwrap_or_default())
    })?;
    let Some(session) = started.session else { return Ok(ExitCode::SUCCESS) };
    let code = stay(&record, session)?;
    let report = account::read(report).context("cannot read what the sandbox has used")?;
    let Some(report) = report else { return Ok(code) };
    tell(&mut place, &report, &sandbox)?;
    Ok(if report.used.timed_out { ExitCode::from(TIMED_OUT) } else { code })
}

/// A copy of a standard stream, or a descriptor that the caller has passed on.
fn place(number: i32) -> anyhow::Result<File> {
    let fd: std::io::Result<OwnedFd> = match number {
        1 => std::io::stdout().as_fd().try_clone_to_owned(),
        2 => std::io::stderr().as_fd().try_clone_to_owned(),
        // What was not passed may be a file of this program's own: that is none either, and the errno says nothing.
        _ => inherit::take(number).map_err(Into::into),
    };
    let fd = fd.ok().with_context(|| format!("--summary-fd {number}: there is no such descriptor"))?;
    Ok(File::from(fd))
}

fn tell(place: &mut File, report: &Report, flags: &SandboxFlags) -> anyhow::Result<()> {
    let text = match flags.summary {
        SummaryForm::None => return Ok(()),
        SummaryForm::Text => summary::text(report, flags.summary_files),
        SummaryForm::Json => summary::json(report, flags.summary_files)?,
    };
    match place.write_all(text.as_bytes()) {
        // Nobody reads it.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => {
            written.with_context(|| format!("cannot write the summary to descriptor {}", flags.summary_fd))
        }
    }
}

/// Why the caller's directory is not in the sandbox.
fn hint(error: &StartError) -> Option<String> {
    let path = error.missing_workdir()?;
    Some(format!(
        "\nhint: of the host a sandbox has the file system of / alone; give it the directory with -v {0}:{0}, or choose \
         another one with -w",
        path.display()
    ))
}
