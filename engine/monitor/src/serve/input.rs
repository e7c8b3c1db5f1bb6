//! The container's input, from whichever clients give some.

use ketch_sys::{Errno, Result, tty};
use nix::unistd::write;

use super::Server;

impl Server {
    /// Input from a client: written at once, or kept until the container reads.
    pub(super) fn take_input(&mut self, data: &[u8]) {
        if self.takes_input {
            self.unwritten.extend_from_slice(data);
            self.write_input();
        }
    }

    pub(super) fn write_input(&mut self) {
        while !self.unwritten.is_empty() {
            let target = if self.peer.is_some() { self.outputs[0].as_ref() } else { self.input.as_ref() };
            let result = match target {
                Some(source) => write(&source.fd, &self.unwritten),
                None => Err(Errno::EPIPE),
            };
            match result {
                Ok(length) => drop(self.unwritten.drain(..length)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                // Nobody will read it: as with a pipe, the rest goes nowhere.
                Err(_) => {
                    self.unwritten.clear();
                    self.input = None;
                }
            }
        }
        self.unwritten = Vec::new();
    }

    /// A client has no more input. A terminal has no end of input but the character that its user types.
    pub(super) fn end_input(&mut self) {
        if self.input_once {
            self.input = None;
        }
    }

    pub(super) fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        match &self.outputs[0] {
            Some(master) if self.peer.is_some() => {
                tty::set_size(&master.fd, tty::Size { rows, columns, ..tty::Size::default() })
            }
            _ => Ok(()),
        }
    }
}
