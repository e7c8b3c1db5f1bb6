//! Pid 1 of a container started with `--init`: `ketch-init -- COMMAND [ARGUMENT…]`.
//!
//! Starts the command in a process group of its own, which gets the terminal, if there is one; passes every signal on
//! to it; reaps what is orphaned; and ends with the command, as it ended: its exit code, or 128 + n for signal n. All
//! else in the container then dies with pid 1. Waits on one descriptor, has no handlers and no timers.
//!
//! The command's process starts as this program again, under the name [`COMMAND`], with all signals blocked: there, it
//! takes the terminal and unblocks them, then becomes the command. So no signal is lost, however early, and the command
//! never finds itself in the background.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write, stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};

use ketch_sys::pidfd;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{getpgrp, tcgetpgrp, tcsetpgrp};

/// `argv[0]` of the process that is to become the command.
const COMMAND: &str = "ketch-init: command";
/// Its first argument when init's group was the terminal's foreground group.
const FOREGROUND: &str = "foreground";

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let result = if words.first().is_some_and(|name| name == COMMAND) {
        become_command(&words[1..])
    } else {
        // The words behind `--`, which may be left out.
        words.drain(..if words.get(1).is_some_and(|word| word == "--") { 2 } else { 1 }.min(words.len()));
        run(&words).map(|status| ExitCode::from(code(status)))
    };
    result.unwrap_or_else(|failure| {
        // Nobody is left to tell when stderr itself is gone.
        let _ = writeln!(std::io::stderr(), "ketch-init: {}", failure.message);
        ExitCode::from(failure.code)
    })
}

/// Why the command could not be run. `code` is a shell's: 127 not found, 126 not executable; 125 init's own trouble.
struct Failure {
    message: String,
    code: u8,
}

fn run(command: &[OsString]) -> Result<ExitStatus, Failure> {
    if command.is_empty() {
        return Err(Failure { message: "no command is given".to_owned(), code: 125 });
    }
    let all = SigSet::all();
    all.thread_block().map_err(own("block signals"))?;
    let signals = SignalFd::new(&all).map_err(own("make a signalfd"))?;

    let child = spawn(command)?;
    let process = pidfd::open(child.id() as i32).map_err(own("open the command's pidfd"))?;
    loop {
        let Some(info) = signals.read_signal().map_err(own("read a signal"))? else { continue };
        if info.ssi_signo == Signal::SIGCHLD as u32 {
            if let Some(status) = reap(&child)? {
                return Ok(status);
            }
        } else {
            forward(&process, info.ssi_signo as i32)?;
        }
    }
}

fn spawn(command: &[OsString]) -> Result<Child, Failure> {
    let foreground = tcgetpgrp(stdin()) == Ok(getpgrp());
    Command::new("/proc/self/exe")
        .arg0(COMMAND)
        .arg(if foreground { FOREGROUND } else { "background" })
        .args(command)
        .process_group(0)
        .spawn()
        .map_err(|error| Failure { message: format!("cannot start a process: {error}"), code: 125 })
}

/// Runs in the command's process, in its own group. SIGTTOU is blocked still, so that taking the terminal from the
/// background does not stop it.
fn become_command(words: &[OsString]) -> Result<ExitCode, Failure> {
    let [place, program, arguments @ ..] = words else {
        return Err(Failure { message: "no command is given".to_owned(), code: 125 });
    };
    if place == OsStr::new(FOREGROUND) {
        tcsetpgrp(stdin(), getpgrp()).map_err(own("take the terminal"))?;
    }
    SigSet::empty().thread_set_mask().map_err(own("unblock signals"))?;
    let error = Command::new(program).args(arguments).exec();
    Err(Failure {
        message: format!("cannot run {}: {error}", program.display()),
        code: if error.kind() == ErrorKind::NotFound { 127 } else { 126 },
    })
}

/// Passes a signal on. The command may be gone, with its SIGCHLD still to come.
fn forward(process: &OwnedFd, signal: i32) -> Result<(), Failure> {
    match pidfd::send_signal(process.as_fd(), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(own("pass on a signal")(errno)),
    }
}

/// Reaps all that have ended; the command's status, once it is among them.
fn reap(child: &Child) -> Result<Option<ExitStatus>, Failure> {
    while let Some((pid, status)) = ketch_sys::wait::any().map_err(own("reap a process"))? {
        if pid == child.id() as i32 {
            return Ok(Some(status));
        }
    }
    Ok(None)
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(125)
}

fn own(step: &'static str) -> impl FnOnce(Errno) -> Failure {
    move |errno| Failure { message: format!("cannot {step}: {}", errno.desc()), code: 125 }
}
