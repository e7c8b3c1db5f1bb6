//! The monitor's life, from top to bottom.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use ketch_sys::{Errno, inherit};
use nix::sys::stat::{Mode, umask};

use crate::account::Account;
use crate::config::Config;
use crate::end;
use crate::exit::Exit;
use crate::report::Report;
use crate::spawn::{CONFIG_FD, Handed, LOCK_FD, REPORT_FD, StartError};
use crate::start::{self, NotStarted};

/// What the engine does in the monitor, at certain points of the container's life.
///
/// The configuration that they get has no `spec` any more: dropping it leaves little memory in use.
#[derive(Debug, Clone, Copy)]
pub struct Hooks {
    /// The container runs, and whoever has started it does not know yet.
    pub begun: fn(&Config),
    /// Once, after the exit record is saved and the runtime's state is deleted, while the lock is still held: the engine
    /// unmounts and, when `config.remove`, forgets the container. Attached clients hear of the exit after that, so when
    /// `ketch run --rm` returns, the name is free.
    ///
    /// Also for a container that could not be started, and then `exit.error` says why.
    pub cleanup: fn(&Config, &Exit),
    /// Instead of `cleanup`, when the command that was to start the container has gone, or has let the monitor go: it
    /// waits for nothing.
    pub abandoned: fn(&Config, &Exit),
    /// After `cleanup` of a container that ran, with the lock free and the clients served: the monitor's last act.
    pub ended: fn(&Config, &Exit),
}

/// `main` of the monitor process.
pub fn run(Hooks { begun, cleanup, abandoned, ended }: Hooks) -> ExitCode {
    // Started by hand, there is nobody to talk to.
    let Ok(report) = inherit::take(REPORT_FD) else { return ExitCode::from(125) };
    let Inherited { mut config, lock, mut handed } = match settle().and_then(|()| inherited()) {
        Ok(inherited) => inherited,
        Err(error) => return refuse(&report, error),
    };

    config.account = Account::new(handed.account.take(), handed.upper.take());
    let mut running = match start::start(&mut config, &mut handed, &report) {
        Ok(running) => running,
        Err(NotStarted::Undone) => {
            cleanup(&config, &end::not_started(125, "the command has undone it"));
            return ExitCode::SUCCESS;
        }
        Err(NotStarted::Abandoned) => {
            abandoned(&config, &end::not_started(125, "the command that was to start it has gone"));
            return ExitCode::SUCCESS;
        }
        Err(NotStarted::Failed(error)) => {
            let exit = end::not_started(error.code, &error.message);
            let saved = crate::exit::save(&config.dir, &exit);
            cleanup(&config, &exit);
            return refuse(&report, end::with_problem(error, saved));
        }
    };
    if running.let_go {
        begun(&config);
        running.server.answer(Ok(running.pid));
    }
    // The command that does not listen any more does not need to know.
    let _ = Report::Started(running.pid).send(&report);
    drop(report);

    let end = running.wait();
    running.server.drain();
    let exit = end::record(&mut config, &mut running, end);
    cleanup(&config, &exit);

    // Whoever waited for the lock may act now. Clients that are slow still get what they are owed.
    drop(lock);
    running.server.finish(exit.code);
    ended(&config, &exit);
    // For a service manager whose main process this is.
    ExitCode::from(u8::try_from(exit.code).unwrap_or(u8::MAX))
}

/// Leaves what the command was started in. The session is the monitor's own already, its streams are /dev/null
/// and all signals are blocked: see `ketch_sys::spawn`.
fn settle() -> Result<(), StartError> {
    let step = |step: &'static str| move |errno: Errno| StartError::errno(step, errno);
    nix::unistd::chdir("/").map_err(step("leave the working directory"))?;
    umask(Mode::from_bits_truncate(0o022));
    // Executed through /proc/self/fd, its name is a number so far.
    let name = CString::new(crate::PROGRAM).expect("no NUL in it");
    nix::sys::prctl::set_name(&name).map_err(step("name the monitor"))
}

/// What the command hands over.
struct Inherited {
    config: Config,
    lock: OwnedFd,
    handed: Handed,
}

/// Takes it all, and closes whatever else the command had open without close-on-exec.
fn inherited() -> Result<Inherited, StartError> {
    let failed = |errno| StartError::errno("take over a descriptor", errno);
    let take = |number| inherit::take(number).map_err(failed);
    let mut text = Vec::new();
    let config: Config = File::from(take(CONFIG_FD)?)
        .read_to_end(&mut text)
        .map_err(serde_json::Error::io)
        .and_then(|_| serde_json::from_slice(&text))
        .map_err(|error| StartError::ours("read the monitor's configuration", error))?;
    let handed = Handed::take(config.handed).map_err(failed)?;
    Ok(Inherited { lock: take(LOCK_FD)?, config, handed })
}

fn refuse(report: &OwnedFd, error: StartError) -> ExitCode {
    // Nobody is there to read it any more: then nobody wants to know.
    let _ = Report::Failed { code: error.code, message: error.message }.send(report);
    ExitCode::from(125)
}
