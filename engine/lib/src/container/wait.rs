//! `wait`: until a container is in one of some states.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_monitor::attach::{self, Outcome, Session};
use ketch_monitor::lock;
use ketch_sys::pidfd;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::status::{Status, status};
use super::{FileError, health};
use crate::Engine;
use crate::state::containers::Record;

/// What can be waited for. podman's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Created,
    Initialized,
    Running,
    Paused,
    Stopping,
    /// Not alive. A container that never ran counts too, as with podman.
    Stopped,
    /// It runs, and its health checks say so.
    Healthy,
    Unhealthy,
}

#[derive(Debug, thiserror::Error)]
#[error("unknown container state: {0}: invalid argument")]
pub struct UnknownState(String);

impl std::str::FromStr for Condition {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Condition, UnknownState> {
        Ok(match name {
            "configured" | "created" => Condition::Created,
            "initialized" => Condition::Initialized,
            "running" => Condition::Running,
            "paused" => Condition::Paused,
            "stopping" => Condition::Stopping,
            "stopped" | "exited" => Condition::Stopped,
            "healthy" => Condition::Healthy,
            "unhealthy" => Condition::Unhealthy,
            _ => return Err(UnknownState(name.to_owned())),
        })
    }
}

impl Condition {
    fn is_met(self, engine: &Engine, record: &Record, status: &Status) -> bool {
        let says = |verdict| {
            matches!(status, Status::Running { .. })
                && health::of(&record.options).is_some()
                && health::Results::load(&engine.paths.container(&record.id)).status == verdict
        };
        match self {
            Condition::Healthy => says(health::Verdict::Healthy),
            Condition::Unhealthy => says(health::Verdict::Unhealthy),
            Condition::Created => matches!(status, Status::Created { .. }),
            Condition::Initialized => matches!(status, Status::Initialized { .. }),
            Condition::Running => matches!(status, Status::Running { .. }),
            Condition::Paused => matches!(status, Status::Paused { .. }),
            Condition::Stopping => matches!(status, Status::Stopping { .. }),
            Condition::Stopped => matches!(status, Status::Created { .. } | Status::Exited(_)),
        }
    }
}

/// Waits until one of `conditions` is met; the exit code for [`Condition::Stopped`] (0: it never ran), -1 for the others.
///
/// A container that is removed meanwhile has ended: its code is still told where its monitor tells it.
pub fn wait(engine: &Engine, record: &Record, conditions: &[Condition]) -> Result<i32, FileError> {
    let mut last = None;
    loop {
        let now = status(&engine.paths, &record.id);
        if let Some(met) = conditions.iter().find(|condition| condition.is_met(engine, record, &now)) {
            return Ok(match met {
                Condition::Stopped => last.or(now.exit().map(|exit| exit.code)).unwrap_or(0),
                _ => -1,
            });
        }
        let of_health =
            |condition: &Condition| matches!(condition, Condition::Healthy | Condition::Unhealthy);
        let waits = matches!(now, Status::Initialized { .. });
        if !now.is_alive() || waits || conditions.iter().any(of_health) {
            change(engine, record, conditions, &now)?;
        } else if let Some(code) = end(engine, record, &now)? {
            last = Some(code);
        }
    }
}

/// Waits until one of `records` meets one of `conditions`, and tells of that one what [`wait`] tells.
pub fn wait_any(engine: &Engine, records: &[Record], conditions: &[Condition]) -> Result<i32, FileError> {
    // Held from the first look on: with `--rm` no record is left to read later.
    let mut sessions: Vec<Option<Session>> = records.iter().map(|_| None).collect();
    loop {
        let watch = watch(engine, records)?;
        let mut inits = Vec::new();
        for (record, session) in records.iter().zip(&mut sessions) {
            let now = status(&engine.paths, &record.id);
            if conditions.iter().any(|condition| condition.is_met(engine, record, &now)) {
                // What has ended while it was watched is told by its monitor, when there is nothing left to be done.
                let watched = session.take().filter(|_| !now.is_alive());
                return watched.and_then(hear_out).map_or_else(|| wait(engine, record, conditions), Ok);
            }
            if now.is_alive() && session.is_none() {
                *session = attach::connect(&engine.paths.container_run(&record.id), silent()).ok();
            }
            // One without a monitor is watched itself.
            inits.push(if session.is_none() && now.is_alive() { pidfd::open(now.pid()).ok() } else { None });
        }
        let (ended, init_ended) = first_change(&watch, &sessions, &inits);
        if let Some(at) = ended
            && let Some(session) = sessions[at].take()
        {
            if let (Some(code), true) = (hear_out(session), conditions.contains(&Condition::Stopped)) {
                return Ok(code);
            }
        } else if let Some(at) = init_ended
            && conditions.contains(&Condition::Stopped)
        {
            return wait(engine, &records[at], conditions);
        }
    }
}

/// Waits for the end; the code, if it was told. The monitor tells it when it has nothing left to do.
fn hear_out(session: Session) -> Option<i32> {
    match session.run() {
        Ok(Outcome::Exited(code)) => Some(code),
        _ => None,
    }
}

/// Waits for the first thing to happen; the place of a session, and of an init, that has something to tell.
fn first_change(
    watch: &Inotify,
    sessions: &[Option<Session>],
    inits: &[Option<OwnedFd>],
) -> (Option<usize>, Option<usize>) {
    let mut fds = vec![PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
    fds.extend(sessions.iter().flatten().map(|session| PollFd::new(session.as_fd(), PollFlags::POLLIN)));
    fds.extend(inits.iter().flatten().map(|init| PollFd::new(init.as_fd(), PollFlags::POLLIN)));
    while let Err(Errno::EINTR) = poll(&mut fds, PollTimeout::NONE) {}
    let mut ready = fds[1..].iter().map(|fd| fd.any().unwrap_or(false));
    let mut first = |given: &mut dyn Iterator<Item = bool>| {
        let mut found = None;
        for (at, given) in given.enumerate() {
            if given && ready.next() == Some(true) && found.is_none() {
                found = Some(at);
            }
        }
        found
    };
    let session = first(&mut sessions.iter().map(Option::is_some));
    (session, first(&mut inits.iter().map(Option::is_some)))
}

/// A client that asks for no stream is only told how it ended.
fn silent() -> attach::Options {
    attach::Options {
        stdin: false,
        stdout: false,
        stderr: false,
        terminal: false,
        detach_keys: Vec::new(),
        sig_proxy: false,
    }
}

/// Waits for the end; the code, when the monitor tells it.
fn end(engine: &Engine, record: &Record, now: &Status) -> Result<Option<i32>, FileError> {
    let run_dir = engine.paths.container_run(&record.id);
    let monitor = lock::holder(&run_dir).map_err(FileError::at("look at the lock of", &run_dir))?;
    // With `--rm` no record is left to read.
    if let Ok(session) = attach::connect(&run_dir, silent())
        && let Ok(Outcome::Exited(code)) = session.run()
    {
        monitor.wait().map_err(FileError::at("wait for", &run_dir))?;
        return Ok(Some(code));
    }
    monitor.wait().map_err(FileError::at("wait for", &run_dir))?;
    if let Ok(init) = pidfd::open(now.pid())
        && status(&engine.paths, &record.id).pid() == now.pid()
    {
        // Its monitor was killed and it lives on.
        let mut fds = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
        while let Err(Errno::EINTR) = poll(&mut fds, PollTimeout::NONE) {}
    }
    Ok(None)
}

/// Waits until something happens to a container that changes whether one of `conditions` is met, or it lives.
fn change(
    engine: &Engine,
    record: &Record,
    conditions: &[Condition],
    before: &Status,
) -> Result<(), FileError> {
    let watch = watch(engine, std::slice::from_ref(record))?;
    // What happened before the watch was there is seen by asking once more.
    let now = status(&engine.paths, &record.id);
    let is_met = |condition: &Condition| condition.is_met(engine, record, &now);
    if now.name() != before.name() || conditions.iter().any(is_met) {
        return Ok(());
    }
    loop {
        match watch.read_events() {
            Err(Errno::EINTR) => {}
            read => return read.map(drop).map_err(unwatchable(&engine.paths.runtime())),
        }
    }
}

/// The runtime's directories are where a start shows; in a container's own are the results of its health checks, and its exit
/// record.
fn watch(engine: &Engine, records: &[Record]) -> Result<Inotify, FileError> {
    let root = engine.paths.runtime();
    fs::create_dir_all(&root).map_err(FileError::at("make the directory", &root))?;
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).map_err(unwatchable(&root))?;
    let events = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
    watch.add_watch(&root, events).map_err(unwatchable(&root))?;
    for record in records {
        let checked = health::of(&record.options).map(|_| engine.paths.container(&record.id));
        // Where the start of one that was initialized shows.
        let run_dir = engine.paths.container_run(&record.id);
        for dir in [root.join(&record.id), run_dir].into_iter().chain(checked) {
            match watch.add_watch(&dir, events) {
                Ok(_) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(unwatchable(&dir)(errno)),
            }
        }
    }
    Ok(watch)
}

fn unwatchable(path: &Path) -> impl FnOnce(Errno) -> FileError + use<> {
    let path = path.to_owned();
    move |errno| FileError { step: "watch", path, source: errno.into() }
}
