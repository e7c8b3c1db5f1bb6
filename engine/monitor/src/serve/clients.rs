//! The attach socket's server side: who comes, what they send, who goes.

use std::io::ErrorKind;

use ketch_sys::{Errno, Result};
use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::Forwards;
use super::client::Client;
use super::poller::Source;
use super::{Server, Starter};
use crate::attach::packet::{self, INPUT_MAX};

impl Server {
    pub(super) fn accept(&mut self) -> Result<()> {
        let Some(listener) = &mut self.listener else { return Ok(()) };
        match listener.fd.accept() {
            Ok((socket, _)) => {
                let source = Source::new(socket.into(), self.next_client);
                self.clients.push(Client::new(self.next_client, source));
                self.next_client += 1;
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {
                Ok(())
            }
            // No descriptor or memory for one more: they wait in the queue until a client goes.
            Err(_) => self.poller.watch(listener, EpollFlags::empty()),
        }
    }

    pub(super) fn serve_client(&mut self, id: u64, events: EpollFlags) -> Result<()> {
        let Some(at) = self.clients.iter().position(|client| client.id == id) else { return Ok(()) };
        if events.contains(EpollFlags::EPOLLOUT) {
            self.settle(at);
            self.clients[at].flush();
        }
        let readable = self.unwritten.is_empty() || !self.clients[at].gives_input();
        if events.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            self.clients[at].deaf = true;
            self.clients[at].owed = false;
            self.forget_settled();
        }
        let open = !readable || events == EpollFlags::EPOLLOUT || self.read_packet(at)?;
        if open { Ok(()) } else { self.forget(at) }
    }

    /// Reads one packet; false when the client has gone.
    fn read_packet(&mut self, at: usize) -> Result<bool> {
        let mut buffer = [0; INPUT_MAX + 1];
        let packet = match packet::receive(&self.clients[at].source.fd, &mut buffer) {
            Ok(packet) => packet,
            Err(Errno::EAGAIN) => return Ok(true),
            Err(_) => return Ok(false),
        };
        match packet {
            [packet::HELLO, wants] if self.clients[at].wants.is_none() => {
                self.clients[at].wants = Some(*wants);
                return Ok(self.clients[at].send(packet::READY, &[]));
            }
            _ if self.clients[at].wants.is_none() => return Ok(false),
            [packet::INPUT, data @ ..] => self.take_input(data),
            [packet::INPUT_END] => self.end_input(),
            [packet::START, once] if self.kept == Some(Starter::Nobody) => {
                self.input_once = *once != 0;
                self.kept = Some(Starter::Client(self.clients[at].id));
            }
            [packet::HEALTH, timer @ ..] => {
                if let Ok(timer) = serde_json::from_slice(timer) {
                    self.set_health(timer)?;
                }
            }
            [packet::RESIZE, size @ ..] => {
                if let Some((rows, columns)) = packet::parse_size(size) {
                    self.resize(rows, columns)?;
                }
            }
            [packet::SIGNAL, number @ ..] => {
                if let Some(signal) = packet::parse_number(number) {
                    self.signal_init(signal);
                }
            }
            // The end, or what no client of ours sends.
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn forget(&mut self, at: usize) -> Result<()> {
        let client = self.clients.swap_remove(at);
        if client.gives_input() {
            self.end_input();
        }
        drop(client);
        self.forget_settled();
        if let Some(listener) = &mut self.listener {
            self.poller.watch(listener, EpollFlags::EPOLLIN)?;
        }
        Ok(())
    }

    /// Takes no new clients, and lets go of the container's streams, log and ports.
    pub(crate) fn close(&mut self) {
        self.forwards = Forwards::default();
        self.listener = None;
        self.input = None;
        self.outputs = [None, None];
        self.peer = None;
        self.log = None;
    }

    /// Tells all clients the exit code and stays until each has taken what it is owed or has gone.
    pub(crate) fn finish(&mut self, code: i32) {
        // One that has not said what it wants hears the end when its socket closes.
        self.clients.retain(|client| client.wants.is_some());
        for client in &mut self.clients {
            client.send_later(packet::EXIT, &code.to_ne_bytes());
        }
        // If it cannot wait for them, they hear the end when their sockets close.
        while self.flush_all().is_ok_and(|left| left) {}
    }

    /// Waits for room and sends; whether there is more to send.
    fn flush_all(&mut self) -> Result<bool> {
        self.clients.retain(|client| !client.deaf && !client.backlog.is_empty());
        if self.clients.is_empty() {
            return Ok(false);
        }
        for client in &mut self.clients {
            self.poller.watch(&mut client.source, EpollFlags::EPOLLOUT)?;
        }
        let mut events = [EpollEvent::empty(); 16];
        for event in self.poller.wait(&mut events, true)? {
            if let Some(client) = self.clients.iter_mut().find(|client| client.id == event.data()) {
                client.deaf |= event.events().contains(EpollFlags::EPOLLHUP);
                client.flush();
            }
        }
        Ok(true)
    }
}
