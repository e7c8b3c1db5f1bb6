//! An engine's daemon, with a log of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::wait::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Asked to end on drop; its log is shown when its test has failed.
#[derive(Debug)]
pub struct Daemon {
    process: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it and waits until `ready` says so.
    pub fn start(command: &mut Command, log: &Path, ready: impl Fn() -> bool) -> Daemon {
        let file = File::create(log).expect("the log can be made");
        let errors = file.try_clone().expect("a descriptor");
        let process = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
        let mut daemon = Daemon { process: process.expect("the daemon can be started"), log: log.to_owned() };
        wait_for("answer of the daemon", || {
            let ended = daemon.process.try_wait().expect("it is our child");
            assert!(ended.is_none(), "{ended:?}: {}", daemon.said());
            if ready() { Ok(()) } else { Err(daemon.said()) }
        });
        daemon
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

#[allow(clippy::print_stderr, reason = "a failed test's output")]
impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.said());
        }
        let pid = i32::try_from(self.process.id()).expect("a pid is one");
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}
