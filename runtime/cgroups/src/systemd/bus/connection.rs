//! A connection: in through EXTERNAL authentication, then messages both ways.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, send};

use super::message::{self, FIXED, Kind};
use super::{BusError, Call, Message};

/// How long a manager that answers nothing is waited for. A reload of a large one takes seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is at the other end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// A message bus, which wants to be greeted and to be told which signals to pass on.
    Bus,
    /// systemd itself (`/run/systemd/private`): it sends every signal to everybody.
    Systemd,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    path: PathBuf,
    pub(crate) reached: Reached,
    serial: u32,
    /// Received, not yet taken apart.
    bytes: Vec<u8>,
    /// Taken apart, not yet asked for.
    queue: VecDeque<Message>,
}

impl Connection {
    /// Connects to the first of `sockets` that is there. The error is the last one's.
    pub(crate) fn open(sockets: &[(PathBuf, Reached)]) -> Result<Connection, BusError> {
        let mut last = BusError::NoSocket;
        for (path, reached) in sockets {
            match UnixStream::connect(path) {
                Ok(stream) => return Connection::over(stream, path, *reached),
                Err(source) => last = BusError::Connect { path: path.clone(), source },
            }
        }
        Err(last)
    }

    pub(super) fn over(stream: UnixStream, path: &Path, reached: Reached) -> Result<Connection, BusError> {
        let mut connection = Connection {
            stream,
            path: path.to_owned(),
            reached,
            serial: 0,
            bytes: Vec::new(),
            queue: VecDeque::new(),
        };
        let patience = connection.stream.set_read_timeout(Some(PATIENCE));
        let patience = patience.and_then(|()| connection.stream.set_write_timeout(Some(PATIENCE)));
        patience.map_err(|source| connection.talk(source))?;
        connection.authenticate()?;
        Ok(connection)
    }

    /// The kernel tells the other end who we are, so no user id is given: in a user namespace it would be another.
    /// All is sent at once, as libsystemd does.
    fn authenticate(&mut self) -> Result<(), BusError> {
        self.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        loop {
            let line = self.line()?;
            match line.split(' ').next() {
                Some("OK") => return Ok(()),
                Some("DATA") => {}
                _ => return Err(BusError::Refused { path: self.path.clone(), answer: line }),
            }
        }
    }

    fn line(&mut self) -> Result<String, BusError> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
                self.bytes.drain(..end + 2);
                return Ok(line);
            }
            if self.bytes.len() > 4096 {
                return Err(self.malformed());
            }
            self.receive()?;
        }
    }

    /// Sends the calls, all at once; the serial of each.
    pub(crate) fn call(&mut self, calls: &[Call<'_>]) -> Result<Vec<u32>, BusError> {
        let mut bytes = Vec::new();
        let mut serials = Vec::with_capacity(calls.len());
        for call in calls {
            self.serial += 1;
            serials.push(self.serial);
            bytes.extend(call.encode(self.serial));
        }
        self.send(&bytes)?;
        Ok(serials)
    }

    /// The body of the answer to the call `serial`. Signals and other answers stay for later.
    pub(crate) fn answer(&mut self, serial: u32) -> Result<Vec<String>, BusError> {
        let is_answer = |message: &Message| match &message.kind {
            Kind::Answer(to) | Kind::Error(to, _) => *to == serial,
            _ => false,
        };
        let Message { kind, mut body } = self.wait_for(is_answer)?;
        match kind {
            Kind::Error(_, name) => {
                let message =
                    if body.is_empty() { "no reason given".to_owned() } else { body.swap_remove(0) };
                Err(BusError::Answer { name, message })
            }
            _ => Ok(body),
        }
    }

    /// The first message that `wanted` says yes to, received already or to come.
    pub(crate) fn wait_for(&mut self, wanted: impl Fn(&Message) -> bool) -> Result<Message, BusError> {
        let mut seen = 0;
        loop {
            while seen < self.queue.len() {
                if wanted(&self.queue[seen]) {
                    return Ok(self.queue.remove(seen).expect("is there"));
                }
                seen += 1;
            }
            let message = self.next()?;
            self.queue.push_back(message);
        }
    }

    fn next(&mut self) -> Result<Message, BusError> {
        loop {
            if let Some(fixed) = self.bytes.get(..FIXED) {
                let length = message::length(fixed).ok_or_else(|| self.malformed())?;
                if let Some(whole) = self.bytes.get(..length) {
                    let message = message::decode(whole).ok_or_else(|| self.malformed())?;
                    self.bytes.drain(..length);
                    return Ok(message);
                }
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<(), BusError> {
        let mut chunk = [0; 4096];
        let n = loop {
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What a timeout is called when a read has one.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(self.talk(ErrorKind::TimedOut.into()));
                }
                Err(error) => return Err(self.talk(error)),
                Ok(0) => return Err(self.talk(ErrorKind::UnexpectedEof.into())),
                Ok(n) => break n,
            }
        };
        self.bytes.extend(&chunk[..n]);
        Ok(())
    }

    /// By send(2): a closed socket is EPIPE, and never a signal.
    fn send(&mut self, mut bytes: &[u8]) -> Result<(), BusError> {
        while !bytes.is_empty() {
            match send(self.stream.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
                Ok(n) => bytes = &bytes[n..],
                Err(nix::Error::EINTR) => {}
                Err(errno) => return Err(self.talk(errno.into())),
            }
        }
        Ok(())
    }

    fn talk(&self, source: io::Error) -> BusError {
        BusError::Talk { path: self.path.clone(), source }
    }

    fn malformed(&self) -> BusError {
        BusError::Malformed { path: self.path.clone() }
    }
}
