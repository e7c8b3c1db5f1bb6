//! The process of a pod's infra container: lives, so that there is someone whose namespaces the pod's members join.
//!
//! As pid 1 of a pid namespace that members share it reaps what is orphaned there. Ends with 0 on SIGTERM or SIGINT.
//! Waits on one descriptor, has no handlers and no timers.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;

fn main() -> ExitCode {
    match pause() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads what this process would write.
        Err(_) => ExitCode::FAILURE,
    }
}

fn pause() -> Result<(), Errno> {
    let wanted: SigSet = [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    wanted.thread_block()?;
    let signals = SignalFd::new(&wanted)?;
    loop {
        match signals.read_signal()? {
            Some(info) if info.ssi_signo == Signal::SIGCHLD as u32 => {
                while ketch_sys::wait::any()?.is_some() {}
            }
            Some(_) => return Ok(()),
            None => {}
        }
    }
}
