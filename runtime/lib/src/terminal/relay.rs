//! Bytes between the local terminal and a pty's master, without ever blocking on one side.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ketch_sys::{Errno, tty};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::unistd::{read, write};

use super::detach::Detach;

/// A pipe that poll(2) calls writable takes this much without blocking: `PIPE_BUF`.
const CHUNK: usize = 4096;

/// One side to read, one to write, and what is on its way. A side that is gone is `None`.
pub(super) struct Relay<'a> {
    stdin: Option<BorrowedFd<'a>>,
    stdout: Option<BorrowedFd<'a>>,
    master: OwnedFd,
    /// False once every process has closed the pty's other end.
    master_open: bool,
    typed: Vec<u8>,
    shown: Vec<u8>,
    detach: Detach<'a>,
}

/// What a round of copying came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    Some,
    /// The detach keys were typed.
    Detach,
}

impl<'a> Relay<'a> {
    pub(super) fn new(
        stdin: BorrowedFd<'a>,
        stdout: BorrowedFd<'a>,
        master: OwnedFd,
        detach_keys: &'a [u8],
    ) -> Result<Relay<'a>, Errno> {
        // The master is ours alone, so its flags are too; those of stdin and stdout belong to everybody who shares them.
        let flags = OFlag::from_bits_retain(fcntl(&master, FcntlArg::F_GETFL)?);
        fcntl(&master, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Relay {
            stdin: Some(stdin),
            stdout: Some(stdout),
            master,
            master_open: true,
            typed: Vec::new(),
            shown: Vec::new(),
            detach: Detach::new(detach_keys),
        })
    }

    /// Gives the pty the local terminal's size, if there is one.
    pub(super) fn resize(&self) -> Result<(), Errno> {
        match [self.stdin, self.stdout].into_iter().flatten().find_map(|fd| tty::size(fd).ok()) {
            Some(size) => tty::set_size(&self.master, size),
            None => Ok(()),
        }
    }

    /// What to poll stdin, stdout and the master for. poll(2) reports a hang-up unasked, again and
    /// again, so in place of one with nothing to wait for comes `idle`, which never hangs up.
    pub(super) fn poll_fds<'b>(&'b self, idle: BorrowedFd<'b>, reading: bool) -> [PollFd<'b>; 3] {
        let when = |condition, flag| if condition { flag } else { PollFlags::empty() };
        let poll = |fd: Option<BorrowedFd<'b>>, events: PollFlags| match fd {
            Some(fd) if !events.is_empty() => PollFd::new(fd, events),
            _ => PollFd::new(idle, PollFlags::empty()),
        };
        let master = when(self.master_open && self.shown.is_empty(), PollFlags::POLLIN)
            | when(self.master_open && !self.typed.is_empty(), PollFlags::POLLOUT);
        [
            poll(self.stdin, when(reading && self.typed.is_empty(), PollFlags::POLLIN)),
            poll(self.stdout, when(!self.shown.is_empty(), PollFlags::POLLOUT)),
            poll(Some(self.master.as_fd()), master),
        ]
    }

    pub(super) fn into_master(self) -> OwnedFd {
        self.master
    }

    /// Copies what can be copied now; `ready` is what poll said of stdin, stdout and master.
    pub(super) fn copy(&mut self, ready: [bool; 3]) -> Result<Copied, Errno> {
        let [stdin, stdout, master] = ready;
        if stdin && self.read_typed()? == Copied::Detach {
            return Ok(Copied::Detach);
        }
        if master {
            self.write_typed()?;
            if self.shown.is_empty() {
                self.read_shown()?;
            }
        }
        if stdout {
            self.write_shown()?;
        }
        Ok(Copied::Some)
    }

    /// After the process has ended: true when all that it wrote has been shown.
    pub(super) fn drained(&mut self) -> Result<bool, Errno> {
        if self.shown.is_empty() {
            self.read_shown()?;
        }
        Ok(self.shown.is_empty())
    }

    fn read_typed(&mut self) -> Result<Copied, Errno> {
        let Some(stdin) = self.stdin else { return Ok(Copied::Some) };
        let mut buffer = [0; CHUNK];
        match read(stdin, &mut buffer) {
            // EIO: a terminal that was hung up, or whose session has lost it.
            Ok(0) | Err(Errno::EIO) => {
                self.stdin = None;
                self.typed.extend_from_slice(self.detach.held());
            }
            Ok(n) if self.detach.filter(&buffer[..n], &mut self.typed) => return Ok(Copied::Detach),
            Ok(_) | Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno),
        }
        Ok(Copied::Some)
    }

    fn write_typed(&mut self) -> Result<(), Errno> {
        if self.typed.is_empty() {
            return Ok(());
        }
        match write(&self.master, &self.typed) {
            Ok(n) => drop(self.typed.drain(..n)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // Nobody has the other end open.
            Err(Errno::EIO) => self.typed.clear(),
            Err(errno) => return Err(errno),
        }
        Ok(())
    }

    /// Takes what the process has written. A pty's read brings in what is still on its way in
    /// the kernel before it says EAGAIN or EIO, so either means that there is no more.
    fn read_shown(&mut self) -> Result<(), Errno> {
        let mut buffer = [0; CHUNK];
        match read(&self.master, &mut buffer) {
            Ok(0) | Err(Errno::EIO) => self.master_open = false,
            Ok(n) if self.stdout.is_some() => self.shown.extend_from_slice(&buffer[..n]),
            Ok(_) | Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    }

    fn write_shown(&mut self) -> Result<(), Errno> {
        let (Some(stdout), false) = (self.stdout, self.shown.is_empty()) else { return Ok(()) };
        match write(stdout, &self.shown) {
            Ok(n) => drop(self.shown.drain(..n)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // Nobody looks any more; the process must not block because of that.
            Err(Errno::EPIPE | Errno::EIO) => {
                self.stdout = None;
                self.shown.clear();
            }
            Err(errno) => return Err(errno),
        }
        Ok(())
    }
}
