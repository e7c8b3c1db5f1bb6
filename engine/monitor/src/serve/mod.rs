//! The monitor's loop: one wait, then whatever is ready, clients before the container's output and init's end last.

mod client;
mod clients;
mod forward;
mod health;
mod input;
mod output;
mod poller;
mod timeout;

pub(crate) use forward::Forwards;
pub(crate) use health::Health;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use ketch_cgroups::{Oom, ScopeOom};
use ketch_sys::{Result, pidfd};
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::timerfd::TimerFd;

use crate::attach::packet;
use crate::log::{Stream, Writer};
use crate::notify::Notify;
use crate::report::Report;
use crate::spawn::StartError;
use crate::streams::Streams;
use client::Client;
use poller::{Poller, Source};

// Tokens in the order in which they are served, save that clients come after the listener.
const LISTENER: u64 = 0;
const REPORT: u64 = 1;
const SIGNALS: u64 = 2;
const INPUT: u64 = 3;
const OUTPUT: u64 = 4;
const ERROR: u64 = 5;
const NOTIFY: u64 = 6;
const INIT: u64 = 7;
const OOM: u64 = 8;
const TIMEOUT: u64 = 9;
const FIRST_CLIENT: u64 = 16;

/// What ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The command wants init started.
    Go,
    /// The command wants the container undone, and waits.
    Undo,
    /// The command wants it kept for another one to start, and waits.
    Keep,
    /// The command has gone without either.
    Abandoned,
    /// init has ended.
    Ended,
}

/// All that the loop works on.
#[derive(Debug)]
pub(crate) struct Server {
    poller: Poller,
    listener: Option<Source<UnixListener>>,
    report: Option<Source>,
    signals: Source<SignalFd>,
    init: Source,
    notify: Option<Source<Notify>>,
    /// Watched until there was something to see.
    oom: Option<Source<ScopeOom>>,
    oom_seen: Oom,
    timeout: Option<Source<TimerFd>>,
    /// init was killed because its time was up.
    timed_out: bool,

    /// stdout, or a pty's master; stderr. None once it is at its end.
    outputs: [Option<Source>; 2],
    /// stdin's pipe. A pty's input goes to its master.
    input: Option<Source>,
    /// The pty's other end, kept open.
    peer: Option<OwnedFd>,
    /// Whether clients may give input, and whether the first one's end closes it.
    takes_input: bool,
    input_once: bool,
    /// Input that the container has no room for yet. While there is some, no client is asked for more.
    unwritten: Vec<u8>,

    /// Room for one read; given back while idle.
    buffer: Vec<u8>,
    /// The output at hand: its stream, and how much of `buffer`. While a client is owed it, nothing more is read.
    at_hand: Option<(Stream, usize)>,
    log: Option<Writer>,

    clients: Vec<Client>,
    next_client: u64,
    /// A container that is kept: who has asked for its start.
    kept: Option<Starter>,
    forwards: Forwards,
    health: Option<Box<Health>>,
    /// Who is told, once, that the container is healthy.
    ready: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starter {
    Nobody,
    Client(u64),
}

/// What a server is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) listener: UnixListener,
    pub(crate) report: OwnedFd,
    pub(crate) init: OwnedFd,
    pub(crate) oom: Option<ScopeOom>,
    pub(crate) streams: Streams,
    pub(crate) log: Option<Writer>,
    pub(crate) notify: Option<Notify>,
    pub(crate) stdin: bool,
    pub(crate) stdin_once: bool,
    pub(crate) forwards: Forwards,
    pub(crate) health: Option<Box<Health>>,
    pub(crate) ready: Option<PathBuf>,
}

impl Server {
    pub(crate) fn new(parts: Parts) -> Result<Server> {
        // All signals are blocked; these are meant for the container, as conmon has it.
        let mut forwarded = SigSet::empty();
        forwarded.extend([Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT]);
        let signals = SignalFd::with_flags(&forwarded, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;

        let Streams { output, error, input, peer } = parts.streams;
        let mut server = Server {
            poller: Poller::new()?,
            listener: Some(Source::new(parts.listener, LISTENER)),
            report: Some(Source::new(parts.report, REPORT)),
            signals: Source::new(signals, SIGNALS),
            init: Source::new(parts.init, INIT),
            notify: parts.notify.map(|notify| Source::new(notify, NOTIFY)),
            oom: parts.oom.map(|watch| Source::new(watch, OOM)),
            oom_seen: Oom::No,
            timeout: None,
            timed_out: false,
            outputs: [output.map(|fd| Source::new(fd, OUTPUT)), error.map(|fd| Source::new(fd, ERROR))],
            input: input.map(|fd| Source::new(fd, INPUT)),
            peer,
            takes_input: parts.stdin,
            input_once: parts.stdin_once,
            unwritten: Vec::new(),
            buffer: Vec::new(),
            at_hand: None,
            log: parts.log,
            clients: Vec::new(),
            next_client: FIRST_CLIENT,
            kept: None,
            forwards: parts.forwards,
            health: parts.health,
            ready: parts.ready,
        };
        server.poller.watch(&mut server.signals, EpollFlags::EPOLLIN)?;
        if let Some(listener) = &mut server.listener {
            server.poller.watch(listener, EpollFlags::EPOLLIN)?;
        }
        if let Some(report) = &mut server.report {
            server.poller.watch(report, EpollFlags::EPOLLIN)?;
        }
        server.forwards.watch(&server.poller)?;
        if let Some(notify) = &mut server.notify {
            server.poller.watch(notify, EpollFlags::EPOLLIN)?;
        }
        server.rearm()?;
        Ok(server)
    }

    /// From now on the container's life is its own: the command may go, init's end is an event, and its `timeout` in seconds
    /// has begun.
    pub(crate) fn watch_init(&mut self, timeout: Option<u64>) -> Result<()> {
        self.report = None;
        self.begin_timeout(timeout)?;
        if let Some(oom) = &mut self.oom {
            self.poller.watch(oom, EpollFlags::EPOLLPRI)?;
        }
        if let Some(health) = &mut self.health {
            health.begin(&self.poller)?;
        }
        self.poller.watch(&mut self.init, EpollFlags::EPOLLIN)
    }

    /// The command goes, and another one may start the container by a client; unless it ends before.
    pub(crate) fn keep(&mut self) -> Result<()> {
        if let Some(report) = &mut self.report {
            // Others have it open still.
            self.poller.watch(report, EpollFlags::empty())?;
        }
        self.report = None;
        self.kept = Some(Starter::Nobody);
        self.poller.watch(&mut self.init, EpollFlags::EPOLLIN)
    }

    /// Tells whoever asked for the start what came of it: init's pid, or the reason.
    pub(crate) fn answer(&mut self, started: std::result::Result<i32, &StartError>) {
        let Some(Starter::Client(id)) = self.kept.take() else { return };
        let Some(client) = self.clients.iter_mut().find(|client| client.id == id) else { return };
        match started {
            Ok(pid) => client.send_later(packet::STARTED, &pid.to_ne_bytes()),
            Err(StartError { code, message }) => {
                let message = &message.as_bytes()[..message.len().min(packet::INPUT_MAX)];
                client.send_later(packet::FAILED, &[&code.to_ne_bytes(), message].concat());
            }
        }
    }

    pub(crate) fn init(&self) -> &OwnedFd {
        &self.init.fd
    }

    /// Whether the OOM killer was seen at work, as far as it has to be watched for. init has ended, by SIGKILL or not.
    ///
    /// When systemd was faster than this look, what is left is a count for the whole slice: an init that was killed then
    /// counts as its victim.
    pub(crate) fn oom_killed(&mut self, by_sigkill: bool) -> bool {
        self.look_for_oom();
        self.oom_seen == Oom::Kill || (by_sigkill && self.oom_seen == Oom::Gone { near: true })
    }

    /// The container's network is complete.
    pub(crate) fn network_is_up(&self) {
        self.forwards.end_early();
    }

    /// A line of the monitor's own in the log.
    pub(crate) fn note(&mut self, text: &str) {
        if let Some(log) = &mut self.log {
            log.note(text);
        }
    }

    /// Serves until something happens that is not for the loop to decide.
    pub(crate) fn wait(&mut self) -> Result<Event> {
        loop {
            let mut events = [EpollEvent::empty(); 16];
            let events = self.next_events(&mut events)?;
            events.sort_unstable_by_key(|event| match event.data() {
                LISTENER | OOM => 0,
                FIRST_CLIENT.. => 1,
                other => 1 + other,
            });
            for event in events.iter() {
                if let Some(event) = self.serve(event.data(), event.events())? {
                    return Ok(event);
                }
            }
            self.rearm()?;
        }
    }

    /// Waits; when there is nothing to do for now, without the read buffer.
    fn next_events<'e>(&mut self, events: &'e mut [EpollEvent; 16]) -> Result<&'e mut [EpollEvent]> {
        if !self.buffer.is_empty() && self.at_hand.is_none() {
            let ready = self.poller.wait(events, false)?.len();
            if ready > 0 {
                return Ok(&mut events[..ready]);
            }
            self.buffer = Vec::new();
        }
        self.poller.wait(events, true)
    }

    fn serve(&mut self, token: u64, events: EpollFlags) -> Result<Option<Event>> {
        match token {
            LISTENER => self.accept()?,
            REPORT => return Ok(self.hear()),
            SIGNALS => self.forward_signal()?,
            INPUT => self.write_input(),
            OUTPUT if events.contains(EpollFlags::EPOLLOUT) && !self.unwritten.is_empty() => {
                self.write_input();
                self.read_output(Stream::Stdout);
            }
            OUTPUT => self.read_output(Stream::Stdout),
            ERROR => self.read_output(Stream::Stderr),
            NOTIFY => self.forward_readiness(),
            INIT => return Ok(Some(Event::Ended)),
            OOM => self.look_for_oom(),
            TIMEOUT => self.end_by_timeout(),
            health::TIMER => self.health.as_mut().map_or(Ok(()), |health| health.due(&self.poller))?,
            health::CHECK => self.end_check()?,
            token if Forwards::owns(token) => self.forwards.serve(&self.poller, token)?,
            client => {
                self.serve_client(client, events)?;
                return Ok(matches!(self.kept, Some(Starter::Client(_))).then_some(Event::Go));
            }
        }
        Ok(None)
    }

    fn hear(&mut self) -> Option<Event> {
        let heard = self.report.as_ref().map(|source| Report::receive(&source.fd));
        match heard? {
            Ok(Some(Report::Go)) => Some(Event::Go),
            Ok(Some(Report::Undo)) => Some(Event::Undo),
            Ok(Some(Report::Keep)) => Some(Event::Keep),
            _ => Some(Event::Abandoned),
        }
    }

    fn look_for_oom(&mut self) {
        let Some(source) = &mut self.oom else { return };
        self.oom_seen = source.fd.look();
        if self.oom_seen != Oom::No {
            // Of a cgroup that has gone there are events without end.
            self.oom = None;
        }
    }

    fn forward_signal(&mut self) -> Result<()> {
        while let Some(info) = self.signals.fd.read_signal()? {
            self.signal_init(info.ssi_signo as i32);
        }
        Ok(())
    }

    /// The container says that it is ready: the service manager is told.
    fn forward_readiness(&mut self) {
        if let Some(Err(error)) = self.notify.as_ref().map(|source| source.fd.forward()) {
            self.note(&format!(
                "the monitor cannot tell the service manager that the container is ready: {error}"
            ));
        }
    }

    fn signal_init(&self, signal: i32) {
        // ESRCH when init has just ended; EINVAL for a number that a client made up. Neither is ours to mend.
        let _ = pidfd::send_signal(&self.init.fd, signal);
    }

    /// Watches each source for what can be done with it now.
    fn rearm(&mut self) -> Result<()> {
        let reading = self.at_hand.is_none();
        let writing = !self.unwritten.is_empty();
        let terminal = self.peer.is_some();
        for (number, output) in self.outputs.iter_mut().enumerate() {
            if let Some(source) = output {
                let mut interest = EpollFlags::empty();
                interest.set(EpollFlags::EPOLLIN, reading);
                interest.set(EpollFlags::EPOLLOUT, terminal && number == 0 && writing);
                self.poller.watch(source, interest)?;
            }
        }
        if let Some(input) = &mut self.input {
            self.poller.watch(input, if writing { EpollFlags::EPOLLOUT } else { EpollFlags::empty() })?;
        }
        for client in &mut self.clients {
            let interest = client.interest(!writing);
            self.poller.watch(&mut client.source, interest)?;
        }
        Ok(())
    }
}
