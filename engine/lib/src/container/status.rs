//! How a container is doing, asked of the kernel each time and stored nowhere.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use ketch_monitor::exit::{self, Exit};
use ketch_monitor::kept::{self, Kept};
use ketch_monitor::{clock, lock};
use ketch_runtime::container::state::{Status as Runtime, Vitals};

use super::checkpoint::marker;
use crate::Paths;

/// Present from the moment a container is started until it is known not to have been: it tells one that ran when the
/// machine went down from one that never ran.
const STARTED: &str = "started";

/// podman has no code for an end that nobody saw; docker shows this one.
const UNKNOWN: i32 = 255;

#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// Not started yet, or its last start failed: then with the reason.
    Created {
        error: String,
    },
    /// Made, and waits for its start: `init`.
    Initialized {
        pid: i32,
    },
    Running {
        pid: i32,
        started: String,
    },
    Paused {
        pid: i32,
        started: String,
    },
    /// Its process has ended; its monitor is about to say how.
    Stopping {
        started: String,
    },
    Exited(Exit),
}

impl Status {
    /// podman's word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Status::Created { .. } => "created",
            Status::Initialized { .. } => "initialized",
            Status::Running { .. } => "running",
            Status::Paused { .. } => "paused",
            Status::Stopping { .. } => "stopping",
            Status::Exited(_) => "exited",
        }
    }

    /// init's, in ketch's pid namespace; 0 when there is none.
    pub fn pid(&self) -> i32 {
        match self {
            Status::Initialized { pid } | Status::Running { pid, .. } | Status::Paused { pid, .. } => *pid,
            _ => 0,
        }
    }

    /// Whether there are processes.
    pub fn is_alive(&self) -> bool {
        !matches!(self, Status::Created { .. } | Status::Exited(_))
    }

    /// RFC 3339; None: it never ran.
    pub fn started(&self) -> Option<&str> {
        match self {
            Status::Running { started, .. }
            | Status::Paused { started, .. }
            | Status::Stopping { started } => Some(started),
            Status::Exited(exit) => {
                Some(&exit.started).filter(|started| !started.is_empty()).map(String::as_str)
            }
            Status::Created { .. } | Status::Initialized { .. } => None,
        }
    }

    pub fn exit(&self) -> Option<&Exit> {
        match self {
            Status::Exited(exit) => Some(exit),
            _ => None,
        }
    }
}

/// Asks the lock, the runtime's state and the exit record, in this order.
///
/// Always answers: what cannot be read counts as not there, and the reason is in the answer's `error`.
pub fn status(paths: &Paths, id: &str) -> Status {
    let monitored = lock::is_held(&paths.container_run(id)).unwrap_or(false);
    let dir = paths.container(id);
    let state = match Vitals::load_vitals(&paths.runtime(), id) {
        Ok(state) => state,
        // Under a lock: being started, or the monitor's last steps.
        Err(_) => return at_rest(&dir),
    };
    let started = state.created.clone();
    match state.status(&paths.runtime()) {
        // Without a monitor as well: it was killed, and its container lives on.
        Runtime::Running | Runtime::Created | Runtime::Creating => {
            match kept::read(&paths.container_run(id), state.pid) {
                None => Status::Running { pid: state.pid, started },
                Some(Kept::Since(started)) => Status::Running { pid: state.pid, started },
                Some(Kept::Waiting) => Status::Initialized { pid: state.pid },
            }
        }
        Runtime::Paused => Status::Paused { pid: state.pid, started },
        Runtime::Stopped => match exit::load(&dir) {
            Ok(Some(exit)) => ended(exit, &dir),
            _ if monitored => Status::Stopping { started },
            _ => lost(started, &dir, "its monitor was killed before it could record the exit"),
        },
    }
}

/// Neither running nor known to the runtime.
fn at_rest(dir: &Path) -> Status {
    match exit::load(dir) {
        Ok(Some(exit)) => ended(exit, dir),
        Ok(None) => match fs::metadata(dir.join(STARTED)).and_then(|file| file.modified()) {
            Ok(started) => {
                lost(clock::rfc3339(started), dir, "the machine or its monitor went down while it ran")
            }
            // Its restore was given up before it came to anything.
            Err(_) if marker::read(dir).is_some() => lost(String::new(), dir, ""),
            Err(_) => Status::Created { error: String::new() },
        },
        Err(error) => lost(String::new(), dir, &format!("its exit record cannot be read: {error}")),
    }
}

/// A start that failed is no exit: podman shows such a container as created. One that CRIU has ended after a checkpoint
/// has not failed.
fn ended(exit: Exit, dir: &Path) -> Status {
    const KILLED: i32 = 128 + 9;
    let never_ran = exit.pid == 0;
    // Nor is one whose restore has failed anything else than before.
    if (never_ran || exit.code == KILLED) && marker::read(dir).is_some() {
        return Status::Exited(Exit { code: 0, error: String::new(), ..exit });
    }
    if never_ran { Status::Created { error: exit.error } } else { Status::Exited(exit) }
}

/// It ended, and nobody knows how or when. The directory's last change is the best guess at the time.
fn lost(started: String, dir: &Path, reason: &str) -> Status {
    let finished = fs::metadata(super::log_path(dir))
        .or_else(|_| fs::metadata(dir.join(STARTED)))
        .and_then(|file| file.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let has_checkpoint = marker::read(dir).is_some();
    Status::Exited(Exit {
        code: if has_checkpoint { 0 } else { UNKNOWN },
        oom_killed: false,
        started,
        finished: clock::rfc3339(finished),
        pid: 0,
        error: if has_checkpoint { String::new() } else { reason.to_owned() },
    })
}

/// Forgets the last run, just before the next one.
pub(crate) fn begin(dir: &Path) -> std::io::Result<()> {
    exit::clear(dir)?;
    fs::write(dir.join(STARTED), [])
}

/// The run that was begun did not come to be.
pub(crate) fn never_began(dir: &Path) {
    // Left behind, it makes the container look as if it had run; that is all.
    let _ = fs::remove_file(dir.join(STARTED));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32, pid: i32, error: &str) -> Exit {
        Exit {
            code,
            oom_killed: false,
            started: "2026-01-01T00:00:00.000000000Z".into(),
            finished: "2026-01-01T00:00:01.000000000Z".into(),
            pid,
            error: error.into(),
        }
    }

    #[test]
    fn at_rest_without_a_runtime_state() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths { root: root.path().into(), run: root.path().join("run") };
        let dir = paths.container("x");
        assert_eq!(status(&paths, "x").name(), "created");
        fs::create_dir_all(&dir).unwrap();
        assert_eq!(status(&paths, "x"), Status::Created { error: String::new() });

        fs::write(dir.join("checkpoint.json"), r#"{"at":"2026-01-01T00:00:00Z"}"#).unwrap();
        assert_eq!(status(&paths, "x").exit().map(|exit| exit.code), Some(0));
        exit::save(&dir, &exit(137, 7, "")).unwrap();
        assert_eq!(status(&paths, "x").exit().map(|exit| exit.code), Some(0));
        exit::save(&dir, &exit(126, 0, "CRIU cannot")).unwrap();
        assert_eq!(status(&paths, "x").exit().map(|exit| exit.code), Some(0));
        marker::clear(&dir).unwrap();

        begin(&dir).unwrap();
        let after_reboot = status(&paths, "x");
        assert_eq!(after_reboot.exit().map(|exit| exit.code), Some(UNKNOWN));

        exit::save(&dir, &exit(127, 0, "no such command")).unwrap();
        assert_eq!(status(&paths, "x"), Status::Created { error: "no such command".into() });

        let ran = exit(3, 7, "");
        exit::save(&dir, &ran).unwrap();
        assert_eq!(status(&paths, "x"), Status::Exited(ran));

        fs::write(dir.join("exit.json"), "{").unwrap();
        let damaged = status(&paths, "x");
        assert!(damaged.exit().is_some_and(|exit| exit.error.contains("cannot be read")), "{damaged:?}");
    }
}
