//! The attach socket (`<run_dir>/attach`, SOCK_SEQPACKET) and its client.
//!
//! A packet is one tag byte and its payload. A slow client holds the container back, as a pipe would; a dead
//! one is forgotten.

pub(crate) mod address;
mod detach;
pub(crate) mod packet;
mod session;
mod signals;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::config::HealthTimer;
use crate::spawn::StartError;

pub use detach::parse_detach_keys;

/// What a client asks for when it connects.
#[derive(Debug, Clone)]
pub struct Options {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// The container has a pty: put the local terminal into raw mode and forward its size.
    pub terminal: bool,
    /// Key sequence that detaches, e.g. `ctrl-p,ctrl-q` already parsed to bytes; empty: none. Looked for when
    /// stdin is a terminal: data from a pipe or file never detaches.
    pub detach_keys: Vec<u8>,
    /// Pass signals that this process gets on to the container (`--sig-proxy`).
    pub sig_proxy: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Exited(i32),
    Detached,
    /// The monitor went away without a word (it was killed).
    Lost,
}

/// A connected client.
#[derive(Debug)]
pub struct Session {
    streams: OwnedFd,
    /// Signals and sizes have a connection of their own: on `streams` they would wait behind input that the
    /// container does not read.
    control: OwnedFd,
    options: Options,
}

/// Connects; from here on no output is missed, and a terminal has the size of the local one.
pub fn connect(run_dir: &Path, options: Options) -> io::Result<Session> {
    let wanted =
        [(options.stdin, packet::STDIN), (options.stdout, packet::STDOUT), (options.stderr, packet::STDERR)];
    let wanted = wanted.iter().filter(|(wants, _)| *wants).fold(0, |all, (_, stream)| all | stream);
    let control = open(run_dir, 0)?;
    let streams = open(run_dir, wanted)?;
    let session = Session { streams, control, options };
    if session.interactive() {
        session.send_size()?;
    }
    Ok(session)
}

/// Sets the container's terminal size (the first attach, `ketch container resize`).
pub fn resize(run_dir: &Path, rows: u16, cols: u16) -> io::Result<()> {
    let socket = open(run_dir, 0)?;
    Ok(packet::send(&socket, packet::RESIZE, &packet::size(rows, cols))?)
}

/// Starts a container that was [kept](crate::kept) and returns init's pid once it has called `execve`. One that cannot be
/// started ends, with its monitor. `stdin_once` is [`Config`](crate::Config)'s, which was not known before.
pub fn start(run_dir: &Path, stdin_once: bool) -> io::Result<Result<i32, StartError>> {
    let socket = open(run_dir, 0)?;
    packet::send(&socket, packet::START, &[u8::from(stdin_once)])?;
    let number = |bytes: &[u8]| packet::parse_number(bytes).ok_or(io::ErrorKind::InvalidData);
    match packet::wait(&socket, &mut vec![0; packet::OUTPUT_MAX + 1])? {
        [packet::STARTED, pid @ ..] => Ok(Ok(number(pid)?)),
        [packet::FAILED, a, b, c, d, message @ ..] => Ok(Err(StartError {
            code: number(&[*a, *b, *c, *d])?,
            message: String::from_utf8_lossy(message).into_owned(),
        })),
        // It ended, or another command has started it, in this very moment.
        [] => Err(io::ErrorKind::ConnectionReset.into()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Has the container's health checked by another clock from now on; None: not at all.
pub fn set_health(run_dir: &Path, timer: Option<&HealthTimer>) -> io::Result<()> {
    let socket = open(run_dir, 0)?;
    Ok(packet::send(&socket, packet::HEALTH, &serde_json::to_vec(&timer)?)?)
}

/// Connects and waits for the monitor's answer.
pub(crate) fn open(run_dir: &Path, wanted: u8) -> io::Result<OwnedFd> {
    let socket = address::connect_in(run_dir)?;
    packet::send(&socket, packet::HELLO, &[wanted])?;
    match packet::wait(&socket, &mut [0; 8])? {
        [packet::READY] => Ok(socket),
        // It ended in this very moment.
        [] => Err(io::ErrorKind::ConnectionReset.into()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
