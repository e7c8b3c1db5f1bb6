//! The container's standard streams: which descriptors init gets, and our ends of them.

use std::os::fd::OwnedFd;

use ketch_runtime::container::create::Stdio;
use ketch_sys::{Result, tty};
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use nix::unistd::pipe2;

/// Our ends. Outputs and input are non-blocking.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// stdout, or a pty's master, which is the input too.
    pub(crate) output: Option<OwnedFd>,
    pub(crate) error: Option<OwnedFd>,
    /// stdin's pipe, when it is kept open for clients.
    pub(crate) input: Option<OwnedFd>,
    /// The pty's other end. Held, so that the master never reports a hangup while init lives: a program may
    /// close its terminal and open it again.
    pub(crate) peer: Option<OwnedFd>,
}

/// Makes pipes, or leaves it to the runtime to make a pty inside the container ([`Streams::take_console`]).
pub(crate) fn prepare(terminal: bool, stdin: bool) -> Result<(Streams, Stdio<'static>)> {
    if terminal {
        return Ok((Streams::default(), Stdio::Pty));
    }
    // Only our ends are non-blocking: what the container has of them are descriptions of their own.
    let (input, init_input) = if stdin {
        let (theirs, ours) = pipe2(OFlag::O_CLOEXEC)?;
        set_nonblocking(&ours)?;
        (Some(ours), theirs)
    } else {
        (None, open(c"/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?)
    };
    let (output, init_output) = pipe2(OFlag::O_CLOEXEC)?;
    let (error, init_error) = pipe2(OFlag::O_CLOEXEC)?;
    set_nonblocking(&output)?;
    set_nonblocking(&error)?;
    let streams = Streams { output: Some(output), error: Some(error), input, peer: None };
    Ok((streams, Stdio::Fds([init_input, init_output, init_error])))
}

impl Streams {
    /// Takes the master of the pty that the runtime has made.
    pub(crate) fn take_console(&mut self, master: OwnedFd) -> Result<()> {
        set_nonblocking(&master)?;
        self.peer = Some(tty::peer(&master)?);
        self.output = Some(master);
        Ok(())
    }
}

fn set_nonblocking(fd: &OwnedFd) -> Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}
