//! Where init waits for `start`, and tells it what became of the start.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_sys::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open as open_file};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::{mkfifo, read, unlink, write};

use super::channel::{Channel, decode_error, encode_error};
use super::namespace;
use crate::step::{At, StepError};

/// The way on for an init that is ready.
#[derive(Debug)]
pub(crate) enum Gate {
    /// None but the channel: the process that created starts too.
    Channel,
    /// A byte in a FIFO, which init holds open for reading until `execve`, so that it can be seen who waits there.
    Fifo(OwnedFd),
}

const GO: u8 = b'G';

impl Gate {
    /// Makes the FIFO at `path`.
    pub(crate) fn make_fifo(path: &Path) -> Result<Gate, StepError> {
        mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).at("make", path)?;
        // For both directions, so that the open does not wait for a writer.
        open_file(path, OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).map(Gate::Fifo).at("open", path)
    }

    /// Returns when init, which is ready and has been told to go on, may start the program.
    pub(super) fn wait(&self) -> Result<(), StepError> {
        let Gate::Fifo(fifo) = self else { return Ok(()) };
        let mut byte = [0];
        loop {
            match read(fifo, &mut byte) {
                Err(Errno::EINTR) => {}
                result => return result.map(drop).at("wait for", "start"),
            }
        }
    }

    /// Reports the error that ends init to whoever started it; its exit status.
    pub(super) fn fail(&self, channel: &Channel, error: StepError) -> i32 {
        match self {
            Gate::Channel => namespace::fail(channel, error),
            Gate::Fifo(fifo) => {
                // The starter keeps the FIFO open and reads this when init has closed it.
                let _ = write(fifo, &encode_error(&error));
                1
            }
        }
    }
}

/// The starter's side: lets the init that waits at `fifo` go on, and returns when it has called `execve`.
///
/// The FIFO is gone then. ENXIO: no init waits there. EAGAIN: another start is at it. Otherwise what init failed with.
pub(crate) fn open(fifo: &Path) -> Result<(), StepError> {
    let step = "start by";
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let gate = open_file(fifo, flags, Mode::empty()).at(step, fifo)?;
    let gate =
        Flock::lock(gate, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno).at(step, fifo)?;
    write(&*gate, &[GO]).at(step, fifo)?;

    // No reader is left: init has become the program, or has ended.
    let mut closed = [PollFd::new(gate.as_fd(), PollFlags::empty())];
    while !closed[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR)) {
        match poll(&mut closed, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).at(step, fifo),
        }
    }
    // What it left in the FIFO is there for as long as `gate` is open.
    let left = open_file(fifo, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty())
        .at(step, fifo)?;
    let mut answer = Vec::new();
    match File::from(left).take(libc::PIPE_BUF as u64).read_to_end(&mut answer) {
        Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error).at(step, fifo),
        _ => {}
    }
    unlink(fifo).at("remove", fifo)?;
    match answer.split_first() {
        None => Ok(()),
        Some((b'E', error)) => Err(decode_error(error).ok_or(Errno::EBADMSG).at(step, fifo)?),
        // Our own byte: nobody was left to read it.
        Some(_) => Err(Errno::ENXIO).at(step, fifo),
    }
}
