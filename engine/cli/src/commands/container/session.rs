//! Staying with a container in the foreground.

use std::io::{ErrorKind, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use anyhow::Context;
use ketch_engine::state::containers::Record;
use ketch_monitor::attach::{Options, Outcome, Session, parse_detach_keys};

use super::select::exit_code;
use crate::failure::Failure;
use crate::messages;

/// What a process gets that writes into a pipe without a reader: 128 + SIGPIPE.
const BROKEN_PIPE: i32 = 141;

/// What a client wants of a container.
pub(super) fn options(
    record_terminal: bool,
    streams: [bool; 3],
    detach_keys: &str,
    sig_proxy: bool,
) -> anyhow::Result<Options> {
    let [stdin, stdout, stderr] = streams;
    let detach_keys = parse_detach_keys(detach_keys)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("invalid detach keys {detach_keys:?}"))?;
    Ok(Options { stdin, stdout, stderr, terminal: record_terminal, detach_keys, sig_proxy })
}

/// Stays until the container ends, and exits as it did; or until the user detaches.
pub(super) fn stay(record: &Record, session: Session) -> anyhow::Result<ExitCode> {
    match session.run() {
        Ok(Outcome::Exited(code)) => Ok(exit_code(code)),
        Ok(Outcome::Detached) => Ok(ExitCode::SUCCESS),
        Ok(Outcome::Lost) => {
            // Not waited for: a service manager that is to start it again has to know. podman's code.
            let message = format!("the monitor of container {} was killed: its output is lost", record.id);
            Err(failure(127, message))
        }
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(exit_code(BROKEN_PIPE)),
        Err(error) => Err(error).with_context(|| format!("cannot stay attached to container {}", record.id)),
    }
}

/// What a container with the log driver passthrough has of this process; None for another.
pub(super) fn stdio(record: &Record) -> anyhow::Result<Option<[OwnedFd; 3]>> {
    if record.options.log.driver.as_deref() != Some("passthrough") {
        return Ok(None);
    }
    let copy = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().context("cannot hand a standard stream on");
    Ok(Some([
        copy(std::io::stdin().as_fd())?,
        copy(std::io::stdout().as_fd())?,
        copy(std::io::stderr().as_fd())?,
    ]))
}

/// podman's warning about `-it` in a script.
pub(super) fn warn_without_terminal(terminal: bool, stdin: bool) {
    if terminal && stdin && !std::io::stdin().is_terminal() {
        let text = "The input device is not a TTY. The --tty and --interactive flags might not work properly";
        messages::warn(text);
    }
}

/// An error that exits with `code`; its causes are in its text.
pub(super) fn failure(code: i32, message: String) -> anyhow::Error {
    Failure { code: u8::try_from(code).unwrap_or(u8::MAX), message }.into()
}

/// The error and its causes; one of the runtime's ends as podman ends such lines, which scripts look for.
pub(super) fn message(error: impl Into<anyhow::Error>, code: i32, is_of_runtime: bool) -> String {
    let text = format!("{:#}", error.into());
    match code {
        127 if is_of_runtime => text + ": OCI runtime attempted to invoke a command that was not found",
        126 if is_of_runtime && text.starts_with("cannot execute") => text + ": OCI permission denied",
        126 if is_of_runtime => format!("OCI runtime error: {text}"),
        _ => text,
    }
}
