//! `wait`: until a container is in one of some states.

use std::fs;
use std::path::Path;

use ketch_monitor::attach::{self, Outcome};
use ketch_monitor::lock;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::FileError;
use super::status::{Status, status};
use crate::Engine;
use crate::state::containers::Record;

/// What can be waited for. podman's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Created,
    Running,
    Paused,
    Stopping,
    /// Not alive. A container that never ran counts too, as with podman.
    Stopped,
}

#[derive(Debug, thiserror::Error)]
#[error("unknown container state: {0}: invalid argument")]
pub struct UnknownState(String);

impl std::str::FromStr for Condition {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Condition, UnknownState> {
        Ok(match name {
            "configured" | "created" | "initialized" => Condition::Created,
            "running" => Condition::Running,
            "paused" => Condition::Paused,
            "stopping" => Condition::Stopping,
            "stopped" | "exited" => Condition::Stopped,
            _ => return Err(UnknownState(name.to_owned())),
        })
    }
}

impl Condition {
    fn is_met(self, status: &Status) -> bool {
        match self {
            Condition::Created => matches!(status, Status::Created { .. }),
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
        if let Some(met) = conditions.iter().find(|condition| condition.is_met(&now)) {
            return Ok(match met {
                Condition::Stopped => last.or(now.exit().map(|exit| exit.code)).unwrap_or(0),
                _ => -1,
            });
        }
        if now.is_alive() {
            if let Some(code) = end(engine, record, &now)? {
                last = Some(code);
            }
        } else {
            change(engine, record)?;
        }
    }
}

/// Waits for the end; the code, when the monitor tells it.
fn end(engine: &Engine, record: &Record, now: &Status) -> Result<Option<i32>, FileError> {
    let run_dir = engine.paths.container_run(&record.id);
    let monitor = lock::holder(&run_dir).map_err(FileError::at("look at the lock of", &run_dir))?;
    // A client that asks for no stream is only told how it ended: with `--rm` no record is left to read.
    let silent = attach::Options {
        stdin: false,
        stdout: false,
        stderr: false,
        terminal: false,
        detach_keys: Vec::new(),
        sig_proxy: false,
    };
    if let Ok(session) = attach::connect(&run_dir, silent)
        && let Ok(Outcome::Exited(code)) = session.run()
    {
        monitor.wait().map_err(FileError::at("wait for", &run_dir))?;
        return Ok(Some(code));
    }
    monitor.wait().map_err(FileError::at("wait for", &run_dir))?;
    if let Ok(init) = ketch_sys::pidfd::open(now.pid())
        && status(&engine.paths, &record.id).pid() == now.pid()
    {
        // Its monitor was killed and it lives on.
        use std::os::fd::AsFd;
        let mut fds = [nix::poll::PollFd::new(init.as_fd(), nix::poll::PollFlags::POLLIN)];
        while let Err(nix::errno::Errno::EINTR) = nix::poll::poll(&mut fds, nix::poll::PollTimeout::NONE) {}
    }
    Ok(None)
}

/// Waits until something happens to a container that is not alive: the runtime's directories are where a start shows.
fn change(engine: &Engine, record: &Record) -> Result<(), FileError> {
    let root = engine.paths.runtime();
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |errno: nix::errno::Errno| FileError { step: "watch", path, source: errno.into() }
    };
    fs::create_dir_all(&root).map_err(FileError::at("make the directory", &root))?;
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).map_err(failed(&root))?;
    let events = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
    watch.add_watch(&root, events).map_err(failed(&root))?;
    let own = root.join(&record.id);
    if own.is_dir() {
        watch.add_watch(&own, events).map_err(failed(&own))?;
    }
    // What happened before the watch was there is seen by asking once more.
    if status(&engine.paths, &record.id).is_alive() {
        return Ok(());
    }
    loop {
        match watch.read_events() {
            Err(nix::errno::Errno::EINTR) => {}
            read => return read.map(|_| ()).map_err(failed(&root)),
        }
    }
}
