//! A container's or an exec's standard streams: where they lead (runc's rules for `--console-socket`), and
//! staying with them in the foreground.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use ketch_runtime::container::create::Stdio;
use ketch_runtime::terminal::{self, Beside, Ending};

/// Decides, or says which of `terminal`, detaching and console socket does not go with the others.
pub(crate) fn stdio(
    terminal: bool,
    detached: bool,
    console_socket: Option<&Path>,
) -> anyhow::Result<Stdio<'_>> {
    match (terminal, detached, console_socket) {
        (true, true, Some(socket)) => Ok(Stdio::ConsoleSocket(socket)),
        (true, true, None) => {
            bail!("cannot allocate a terminal for a detached process without --console-socket")
        }
        (_, _, Some(_)) => bail!("--console-socket needs a process that has a terminal and is detached"),
        (true, false, None) => Ok(Stdio::Pty),
        (false, _, None) => Ok(Stdio::Inherit),
    }
}

/// Stays with a child until it ends; its exit code, or 128 + n for signal n, becomes ours.
pub(crate) fn attend(
    pidfd: &OwnedFd,
    console: Option<OwnedFd>,
    beside: Option<Beside<'_>>,
) -> anyhow::Result<ExitCode> {
    const NO_DETACH_KEYS: &[u8] = &[];
    match terminal::attend(pidfd, console, NO_DETACH_KEYS, beside)? {
        Ending::Exited(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))),
        Ending::Detached(_) => Ok(ExitCode::SUCCESS),
    }
}
