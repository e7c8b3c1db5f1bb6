//! The terminal of an exec'd process that nobody attends any more: somebody has to keep it open, and read it, or the
//! process gets SIGHUP or waits for ever.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use anyhow::Context;
use ketch_sys::{exe, inherit, spawn};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// `argv[0]` of the keeper.
pub(crate) const PROGRAM: &str = "ketch-terminal";

const MASTER_FD: i32 = 3;

/// Hands the master over to a process of its own, this program under another name.
pub(super) fn keep(master: OwnedFd) -> anyhow::Result<()> {
    // Whoever attended it did not want to wait in it; the keeper wants nothing else.
    let flags = OFlag::from_bits_truncate(fcntl(&master, FcntlArg::F_GETFL)?);
    fcntl(&master, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    let program = exe::read_only_exe().context("cannot clone this program for the terminal's keeper")?;
    spawn::detached(program.as_fd(), &[c"ketch-terminal"], &[(master.as_fd(), MASTER_FD)])
        .context("cannot start the terminal's keeper")?;
    Ok(())
}

/// Reads the terminal until the last process has closed it.
pub(crate) fn main() -> ExitCode {
    // Started by hand, there is no terminal.
    let Ok(master) = inherit::take(MASTER_FD) else { return ExitCode::FAILURE };
    // Whatever of this fails, the terminal is kept all the same.
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
    let _ = inherit::close_from(MASTER_FD + 1);
    let _ = nix::unistd::chdir("/");
    let mut master = File::from(master);
    let mut buffer = [0; 4096];
    loop {
        match master.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(1..) => {}
            // EIO: nobody has the other side open (pty(7)).
            Ok(0) | Err(_) => return ExitCode::SUCCESS,
        }
    }
}
