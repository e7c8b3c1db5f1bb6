//! An attached client's work: copying between this process's streams and the monitor's socket.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ketch_runtime::terminal::RawMode;
use ketch_sys::{Errno, tty};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::{read, write};

use super::detach::Matcher;
use super::packet::{self, INPUT_MAX, OUTPUT_MAX};
use super::signals::Caught;
use super::{Outcome, Session};

/// Readable when there is something to tell.
impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.streams.as_fd()
    }
}

impl Session {
    /// Copies between this process's stdin/stdout/stderr and the container until it ends or the user detaches.
    ///
    /// An error of kind BrokenPipe says that nobody reads this process's output any more; the container goes on.
    pub fn run(self) -> io::Result<Outcome> {
        let stdin = io::stdin();
        let local_terminal = tty::size(&stdin).is_ok();
        let interactive = self.interactive();

        let mut signals = Some(Caught::block(self.options.sig_proxy, interactive)?);
        let raw = if interactive && self.options.stdin { Some(RawMode::enter(&stdin)?) } else { None };
        let keys = if local_terminal { self.options.detach_keys.clone() } else { Vec::new() };
        let mut input = self.options.stdin.then(|| Input {
            matcher: Matcher::new(keys),
            queue: VecDeque::new(),
            ended: false,
        });
        if interactive {
            self.send_size()?;
        }

        let mut buffer = vec![0; OUTPUT_MAX + 1];
        loop {
            let ready = self.wait(input.as_ref(), signals.as_ref())?;
            if ready.signal
                && let Some(fatal) = self.pass_signals(signals.as_ref(), raw.as_ref())?
            {
                drop(raw);
                if let Some(caught) = signals.take() {
                    caught.give_back(fatal)?;
                }
                // Still here: the signal is ignored or handled by the caller.
                return Err(io::ErrorKind::Interrupted.into());
            }
            if ready.output
                && let Some(outcome) = self.take_packet(&mut buffer)?
            {
                return Ok(outcome);
            }
            if let Some(input) = &mut input {
                if ready.room {
                    input.flush(&self)?;
                }
                if ready.input && input.pass_on(stdin.as_fd(), &self)? {
                    return Ok(Outcome::Detached);
                }
            }
        }
    }

    /// Whether there is a terminal at both ends.
    pub(super) fn interactive(&self) -> bool {
        self.options.terminal && tty::size(io::stdin()).is_ok()
    }

    fn wait(&self, input: Option<&Input>, signals: Option<&Caught>) -> io::Result<Ready> {
        let waiting = input.is_some_and(|input| !input.queue.is_empty());
        let reading = input.is_some_and(|input| input.queue.is_empty() && !input.ended);
        let stdin = io::stdin();
        let socket = if waiting { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let mut fds = vec![PollFd::new(self.streams.as_fd(), socket)];
        if let Some(signals) = signals {
            fds.push(PollFd::new(signals.fd.as_fd(), PollFlags::POLLIN));
        }
        if reading {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Ready::default()),
            Err(errno) => return Err(errno.into()),
        }
        let any = |at: usize| fds.get(at).and_then(|fd| fd.revents()).unwrap_or(PollFlags::empty());
        Ok(Ready {
            output: any(0).intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR),
            room: any(0).contains(PollFlags::POLLOUT),
            signal: signals.is_some() && !any(1).is_empty(),
            input: reading && !any(1 + usize::from(signals.is_some())).is_empty(),
        })
    }

    /// Handles what has come; Some: a signal that this client itself should die of.
    fn pass_signals(&self, signals: Option<&Caught>, raw: Option<&RawMode>) -> io::Result<Option<Signal>> {
        while let Some(signal) = signals.map(Caught::next).transpose()?.flatten() {
            if signal == Signal::SIGWINCH {
                self.send_size()?;
            } else if signal == Signal::SIGCONT {
                raw.map(RawMode::enter_again).transpose()?;
            } else if self.options.sig_proxy {
                self.tell(packet::SIGNAL, &(signal as i32).to_ne_bytes())?;
            } else {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }

    pub(super) fn send_size(&self) -> io::Result<()> {
        let size = tty::size(io::stdin())?;
        self.tell(packet::RESIZE, &packet::size(size.rows, size.columns))
    }

    fn tell(&self, tag: u8, payload: &[u8]) -> io::Result<()> {
        match packet::send(&self.control, tag, payload) {
            // The container has ended: `streams` says the rest.
            Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
            result => Ok(result?),
        }
    }

    fn take_packet(&self, buffer: &mut [u8]) -> io::Result<Option<Outcome>> {
        match packet::receive(&self.streams, buffer) {
            Ok([packet::OUTPUT, data @ ..]) => write_all(io::stdout().as_fd(), data)?,
            Ok([packet::ERROR, data @ ..]) => write_all(io::stderr().as_fd(), data)?,
            Ok([packet::EXIT, code @ ..]) => return Ok(packet::parse_number(code).map(Outcome::Exited)),
            Ok([]) => return Ok(Some(Outcome::Lost)),
            Ok(_) | Err(Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(None)
    }
}

#[derive(Default)]
struct Ready {
    output: bool,
    room: bool,
    signal: bool,
    input: bool,
}

/// What goes to the container's stdin.
struct Input {
    matcher: Matcher,
    /// Packets that the monitor has no room for yet; nothing is read while there are any.
    queue: VecDeque<(u8, Vec<u8>)>,
    ended: bool,
}

impl Input {
    /// Reads once and sends it on; true when the detach keys were typed.
    fn pass_on(&mut self, stdin: BorrowedFd<'_>, session: &Session) -> io::Result<bool> {
        let mut buffer = [0; INPUT_MAX];
        let length = match read(stdin, &mut buffer) {
            Ok(length) => length,
            // A terminal that was hung up.
            Err(Errno::EIO) => 0,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(false),
            Err(errno) => return Err(errno.into()),
        };
        let mut data = Vec::with_capacity(length);
        let detached = self.matcher.feed(&buffer[..length], &mut data);
        if length == 0 {
            data.extend_from_slice(self.matcher.rest());
        }
        for part in data.chunks(INPUT_MAX) {
            self.queue.push_back((packet::INPUT, part.to_vec()));
        }
        if length == 0 {
            self.ended = true;
            self.queue.push_back((packet::INPUT_END, Vec::new()));
        }
        self.flush(session)?;
        Ok(detached)
    }

    fn flush(&mut self, session: &Session) -> io::Result<()> {
        while let Some((tag, payload)) = self.queue.front() {
            match packet::send(&session.streams, *tag, payload) {
                Ok(()) => drop(self.queue.pop_front()),
                Err(Errno::EAGAIN) => return Ok(()),
                // The container has ended: the last packet on the socket says how.
                Err(Errno::EPIPE | Errno::ECONNRESET) => {
                    self.queue.clear();
                    self.ended = true;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// Writes all, also to a descriptor that someone has made non-blocking.
fn write_all(fd: BorrowedFd<'_>, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match write(fd, data) {
            Ok(length) => data = &data[length..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE)
                    .map(drop)
                    .or_else(|errno| if errno == Errno::EINTR { Ok(()) } else { Err(errno) })?;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
