//! Staying with a process in the foreground: terminal, signals, exit code.
//!
//! One loop waits for everything at once (the local terminal, the pty, signals, the end of the
//! process); there is no thread, no handler and no timeout in it.

mod detach;
mod raw;
mod relay;

use std::fmt;
use std::io::{stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ketch_sys::Errno;
use ketch_sys::pidfd::{self, Ended};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

pub use raw::RawMode;
use relay::{Copied, Relay};

use crate::step::{At, StepError};

/// How staying with a process ended.
#[derive(Debug)]
pub enum Ending {
    /// 0..=255, or 128 + n when signal n ended it.
    Exited(i32),
    /// The detach keys were typed. The process runs on; its terminal hangs up once this master is closed.
    Detached(OwnedFd),
}

/// Something else to be waited for.
pub struct Beside<'a> {
    pub fd: BorrowedFd<'a>,
    /// Called each time that the descriptor can be read; true: it is of no interest any more.
    pub ready: &'a mut dyn FnMut() -> bool,
}

impl fmt::Debug for Beside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("fd", &self.fd).finish_non_exhaustive()
    }
}

/// The local terminal or the process is not to be handled.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TerminalError(#[from] StepError);

/// Keeps the signals that [`attend`] forwards pending until it is called: one that arrives while a
/// container is still being made neither kills the caller nor gets lost.
pub fn hold_signals() -> Result<(), TerminalError> {
    forwarded().thread_block().at("block signals", "")?;
    Ok(())
}

/// Stays with `process`, a child of the caller, until it ends or the user detaches; reaps it.
///
/// With a `console` (a pty's master) the caller's stdin and stdout are copied to and from it, stdin
/// in raw mode if it is a terminal, and its size follows the terminal's. Without one the process has
/// the streams itself. Signals sent to the caller reach the process.
///
/// `beside` is seen to as long as the process runs.
///
/// All that the process wrote has been written to stdout on return. The caller's signal mask and
/// terminal are as they were before.
pub fn attend(
    process: impl AsFd,
    console: Option<OwnedFd>,
    detach_keys: &[u8],
    mut beside: Option<Beside<'_>>,
) -> Result<Ending, TerminalError> {
    let signals = Signals::take()?;
    let ending = match console {
        Some(master) => attend_terminal(process.as_fd(), master, detach_keys, &signals, &mut beside)?,
        None => attend_plain(process.as_fd(), &signals, &mut beside)?,
    };
    Ok(ending)
}

fn attend_plain(
    process: BorrowedFd<'_>,
    signals: &Signals,
    beside: &mut Option<Beside<'_>>,
) -> Result<Ending, StepError> {
    loop {
        let mut fds = [
            signals.poll_fd(),
            PollFd::new(process, PollFlags::POLLIN),
            poll_beside(beside.as_ref(), signals),
        ];
        wait(&mut fds)?;
        let [signalled, ended, other] = fds.map(|fd| fd.any().unwrap_or(false));
        if other {
            see_to(beside);
        }
        if signalled {
            forward(process, signals.next()?)?;
        }
        if ended {
            return reap(process).map(Ending::Exited);
        }
    }
}

fn attend_terminal(
    process: BorrowedFd<'_>,
    master: OwnedFd,
    detach_keys: &[u8],
    signals: &Signals,
    beside: &mut Option<Beside<'_>>,
) -> Result<Ending, StepError> {
    let (stdin, stdout) = (stdin(), stdout());
    let raw = match RawMode::enter(&stdin) {
        Ok(raw) => Some(raw),
        Err(Errno::ENOTTY) => None,
        Err(errno) => return Err(errno).at("set raw mode on", "the terminal"),
    };
    let mut relay =
        Relay::new(stdin.as_fd(), stdout.as_fd(), master, detach_keys).at("prepare", "the console")?;
    relay.resize().at("set the size of", "the console")?;

    let mut exited = None;
    loop {
        if let Some(code) = exited
            && relay.drained().at("read", "the console")?
        {
            return Ok(Ending::Exited(code));
        }
        let ready = wait_all(process, signals, &relay, exited.is_none(), beside.as_ref())?;
        if ready.beside {
            see_to(beside);
        }
        if ready.signals {
            match (signals.next()?, exited) {
                (Some(signal), _) if signal == Signal::SIGWINCH as i32 => {
                    relay.resize().at("resize", "the console")?;
                }
                (Some(signal), None) => {
                    if let (Some(raw), true) = (&raw, signal == Signal::SIGCONT as i32) {
                        raw.enter_again().at("set raw mode on", "the terminal")?;
                    }
                    forward(process, Some(signal))?;
                }
                // Somebody is tired of waiting for a reader of stdout that does not read.
                (Some(_), Some(code)) => return Ok(Ending::Exited(code)),
                (None, _) => {}
            }
        }
        if relay.copy(ready.relay).at("copy to or from", "the console")? == Copied::Detach {
            return Ok(Ending::Detached(relay.into_master()));
        }
        if ready.process {
            exited = Some(reap(process)?);
        }
    }
}

/// What one poll found.
struct Ready {
    signals: bool,
    process: bool,
    relay: [bool; 3],
    beside: bool,
}

/// poll(2) waits for nothing where there is nothing.
fn poll_beside<'a>(beside: Option<&'a Beside<'_>>, signals: &'a Signals) -> PollFd<'a> {
    match beside {
        Some(beside) => PollFd::new(beside.fd, PollFlags::POLLIN),
        None => PollFd::new(signals.fd.as_fd(), PollFlags::empty()),
    }
}

fn see_to(beside: &mut Option<Beside<'_>>) {
    if beside.as_mut().is_some_and(|beside| (beside.ready)()) {
        *beside = None;
    }
}

/// Waits for any of them; once the process has ended, for signals and for stdout to take more.
fn wait_all(
    process: BorrowedFd<'_>,
    signals: &Signals,
    relay: &Relay<'_>,
    running: bool,
    beside: Option<&Beside<'_>>,
) -> Result<Ready, StepError> {
    let idle = signals.fd.as_fd();
    let events = if running { PollFlags::POLLIN } else { PollFlags::empty() };
    let ended = PollFd::new(if running { process } else { idle }, events);
    let [stdin, stdout, master] = relay.poll_fds(idle, running);
    let mut fds = [signals.poll_fd(), ended, poll_beside(beside, signals), stdin, stdout, master];
    wait(&mut fds)?;
    let [signals, process, beside, relay @ ..] = fds.map(|fd| fd.any().unwrap_or(false));
    Ok(Ready { signals, process, relay, beside })
}

fn wait(fds: &mut [PollFd<'_>]) -> Result<(), StepError> {
    match poll(fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno).at("wait for", "the process"),
    }
}

fn forward(process: BorrowedFd<'_>, signal: Option<i32>) -> Result<(), StepError> {
    let Some(signal) = signal else { return Ok(()) };
    match pidfd::send_signal(process, signal) {
        // It has ended: the next poll will tell.
        Err(Errno::ESRCH) => Ok(()),
        result => result.at("forward signal", &signal.to_string()),
    }
}

fn reap(process: BorrowedFd<'_>) -> Result<i32, StepError> {
    pidfd::reap(process).map(Ended::code).at("wait for", "the process")
}

/// Signals as a descriptor; the mask is as before once this is dropped.
struct Signals {
    fd: SignalFd,
    before: SigSet,
}

impl Signals {
    fn take() -> Result<Signals, StepError> {
        let set = forwarded();
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK).at("block signals", "")?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .at("open a signalfd", "")?;
        Ok(Signals { fd, before })
    }

    fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)
    }

    fn next(&self) -> Result<Option<i32>, StepError> {
        let signal = self.fd.read_signal().at("read", "the signalfd")?;
        Ok(signal.map(|info| info.ssi_signo as i32))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // Only a bad address or operation fails, and neither is possible here.
        let _ = self.before.thread_set_mask();
    }
}

/// All, real-time ones too, but those that are about the caller itself: its children, its pipes,
/// its right to the terminal.
fn forwarded() -> SigSet {
    let mut set = SigSet::all();
    for own in [Signal::SIGCHLD, Signal::SIGPIPE, Signal::SIGURG, Signal::SIGTTIN, Signal::SIGTTOU] {
        set.remove(own);
    }
    set
}
