//! `restart`: a container is stopped and started, and kept meanwhile if it has `--rm`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::FileError;
use super::root;
use super::start::{Start, StartError, Started, start};
use super::status::{Status, status};
use super::stop::{self, SignalError, Stopped, Stopping};
use crate::Engine;
use crate::events::{Action, Event};
use crate::state::containers::Record;
use crate::tree::TreeError;

/// In a container's volatile directory: locked while somebody restarts it.
const MARK: &str = "restart";

#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// podman's words.
    #[error("unable to restart a container in a paused or unknown state: container state improper")]
    Paused,
    #[error(transparent)]
    Stop(#[from] SignalError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A container that was sent its stop signal and is to be started again. Several can be, before the first is waited for.
///
/// Dropped, it is stopped and stays so.
#[derive(Debug)]
pub struct Restarting {
    stopping: Stopping,
    mark: Option<File>,
}

/// As [`stop::begin`]. A container that does not run is only started.
pub fn begin(engine: &Engine, record: &Record, seconds: Option<i64>) -> Result<Restarting, RestartError> {
    let now = status(&engine.paths, &record.id);
    if matches!(now, Status::Paused { .. }) {
        return Err(RestartError::Paused);
    }
    engine.event(Event::of_container(record, Action::Restart));
    // Without `--rm` it is kept anyway, and one that is not alive is not about to be removed.
    let mark = if record.options.remove && now.is_alive() { Some(mark(engine, record)?) } else { None };
    Ok(Restarting { stopping: stop::begin(engine, record, seconds)?, mark })
}

impl Restarting {
    /// Waits until it has ended, and starts it.
    pub fn finish(
        self,
        engine: &Engine,
        record: &Record,
        how: Start<'_>,
    ) -> Result<(Stopped, Started), RestartError> {
        let stopped = self.stopping.finish(engine, record)?;
        if self.mark.is_some() {
            root::forget_volatile(&engine.paths.container(&record.id))?;
        }
        let started = start(engine, record, how)?;
        drop(self.mark);
        Ok((stopped, started))
    }
}

/// Whoever restarts it already is waited for. The kernel drops the mark with its holder, so that a stale file says nothing.
fn mark(engine: &Engine, record: &Record) -> Result<File, FileError> {
    let path = engine.paths.container_run(&record.id).join(MARK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(FileError::at("make", &path))?;
    file.lock().map_err(FileError::at("lock", &path))?;
    Ok(file)
}

/// Whether somebody is about to start the container again; asked in the monitor, before it removes it.
pub(super) fn is_marked(run_dir: &Path) -> bool {
    match File::open(run_dir.join(MARK)).map(|file| file.try_lock()) {
        Ok(Err(TryLockError::WouldBlock)) => true,
        Ok(Ok(()) | Err(TryLockError::Error(_))) => false,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}
