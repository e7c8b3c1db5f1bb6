//! The attach socket (`<run_dir>/attach`, SOCK_SEQPACKET) and its client.
//!
//! A packet is one tag byte and its payload. A slow client holds the container back, as a pipe would; a dead
//! one is forgotten.

use std::path::Path;

/// What a client asks for when it connects.
#[derive(Debug, Clone)]
pub struct Options {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// The container has a pty: put the local terminal into raw mode and forward its size.
    pub terminal: bool,
    /// Key sequence that detaches, e.g. `ctrl-p,ctrl-q` already parsed to bytes; empty: none.
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
    _socket: std::os::fd::OwnedFd,
}

/// Connects; from here on no output is missed.
pub fn connect(_run_dir: &Path, _options: Options) -> std::io::Result<Session> {
    todo!()
}

impl Session {
    /// Copies between this process's stdin/stdout/stderr and the container until it ends or the user detaches.
    pub fn run(self) -> std::io::Result<Outcome> {
        todo!()
    }
}

/// Sets the container's terminal size (the first attach, `ketch container resize`).
pub fn resize(_run_dir: &Path, _rows: u16, _cols: u16) -> std::io::Result<()> {
    todo!()
}

/// `ctrl-p,ctrl-q`, `ctrl-@`, `a` … → bytes. Errors name the part that is not a key.
pub fn parse_detach_keys(_text: &str) -> Result<Vec<u8>, String> {
    todo!()
}
