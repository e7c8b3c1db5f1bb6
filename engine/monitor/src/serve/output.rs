//! The container's output: read once, logged, and given to every client that wants it.

use ketch_sys::{Errno, tty};
use nix::unistd::read;

use super::Server;
use super::client::tag;
use crate::attach::packet::OUTPUT_MAX;
use crate::log::Stream;

/// malloc maps what is larger than this by itself, so that dropping it gives the memory back (musl: 131,052 bytes).
/// Only the part that is read into is ever touched.
const BUFFER: usize = 128 * 1024;

enum Got {
    Some(usize),
    Nothing,
    End,
}

impl Server {
    /// Reads once; with slow clients the read bytes stay at hand.
    pub(super) fn read_output(&mut self, stream: Stream) {
        if self.at_hand.is_some() {
            return;
        }
        let Got::Some(length) = self.read_some(stream, OUTPUT_MAX) else { return };
        self.log_output(stream, length);

        let data = &self.buffer[..length];
        for client in self.clients.iter_mut().filter(|client| client.wants_output(stream)) {
            client.owed = !client.send(tag(stream), data);
        }
        if self.clients.iter().any(|client| client.owed) {
            self.at_hand = Some((stream, length));
        }
    }

    /// Gives a client that has room again what it is owed.
    pub(super) fn settle(&mut self, at: usize) {
        if let Some((stream, length)) = self.at_hand
            && self.clients[at].owed
        {
            self.clients[at].owed = !self.clients[at].send(tag(stream), &self.buffer[..length]);
        }
        self.forget_settled();
    }

    /// Lets reading go on when nobody is owed anything any more.
    pub(super) fn forget_settled(&mut self) {
        if !self.clients.iter().any(|client| client.owed) {
            self.at_hand = None;
        }
    }

    /// After init's end: reads what the pipes or the pty hold, and no more, for a process that outlives init may
    /// go on writing. Slow clients get their part from memory.
    pub(crate) fn drain(&mut self) {
        if let Some((stream, length)) = self.at_hand.take() {
            let data = &self.buffer[..length];
            for client in self.clients.iter_mut().filter(|client| client.owed) {
                client.owed = false;
                client.send_later(tag(stream), data);
            }
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut left = self.held(stream);
            while left > 0 {
                let Got::Some(length) = self.read_some(stream, left.min(OUTPUT_MAX)) else { break };
                left -= length;
                self.log_output(stream, length);
                let data = &self.buffer[..length];
                for client in self.clients.iter_mut().filter(|client| client.wants_output(stream)) {
                    client.send_later(tag(stream), data);
                }
            }
        }
        self.buffer = Vec::new();
    }

    /// Most bytes that may wait to be read: a pipe's size, or more than a pty's buffers take.
    fn held(&self, stream: Stream) -> usize {
        let Some(source) = &self.outputs[stream as usize] else { return 0 };
        let size = nix::fcntl::fcntl(&source.fd, nix::fcntl::FcntlArg::F_GETPIPE_SZ);
        size.ok().and_then(|size| usize::try_from(size).ok()).unwrap_or(2 * OUTPUT_MAX)
    }

    fn log_output(&mut self, stream: Stream, length: usize) {
        if let Some(log) = &mut self.log {
            log.write(stream, &self.buffer[..length]);
        }
    }

    fn read_some(&mut self, stream: Stream, most: usize) -> Got {
        let Some(source) = &self.outputs[stream as usize] else { return Got::End };
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER];
        }
        match read(&source.fd, &mut self.buffer[..most]) {
            Ok(0) => {}
            Ok(length) => return Got::Some(length),
            Err(Errno::EAGAIN | Errno::EINTR) => return Got::Nothing,
            // vhangup(2) inside the container closes our other end too; a new one makes the terminal work again.
            Err(Errno::EIO) if self.peer.is_some() => {
                if let Ok(peer) = tty::peer(&source.fd) {
                    self.peer = Some(peer);
                    return Got::Nothing;
                }
            }
            Err(_) => {}
        }
        self.outputs[stream as usize] = None;
        Got::End
    }
}
