//! `rm`: nothing of the container stays.

use std::path::{Path, PathBuf};

use ketch_cgroups::{Cgroup, Layout, Location, detect};
use ketch_monitor::{exit, lock};
use ketch_runtime::container::delete::{self, DeleteError};

use super::FileError;
use super::status::{Status, status};
use super::stop::{self, SignalError, Stopped};
use super::tree::{self, TreeError};
use super::turn::Turn;
use crate::state::{self, containers::Record};
use crate::{Engine, spec};

#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// podman's words.
    #[error(
        "cannot remove container {id} as it is {status} - running or paused containers cannot be removed without force: \
         container state improper"
    )]
    Alive { id: String, status: &'static str },
    #[error(transparent)]
    Stop(#[from] SignalError),
    #[error(transparent)]
    Runtime(#[from] DeleteError),
    #[error("cannot remove the cgroup of container {id}")]
    Cgroup { id: String, source: ketch_cgroups::Error },
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// How a removal treats a container that is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Refuse.
    No,
    /// Stop it first: as `stop` with this many seconds; None: the container's own.
    Stop { seconds: Option<i64> },
}

/// Removes the container. One that is gone already, or goes meanwhile, is no error.
///
/// Says how it was stopped, when it had to be.
pub fn remove(engine: &Engine, record: &Record, force: Force) -> Result<Stopped, RemoveError> {
    let mut stopped = Stopped::NotRunning;
    loop {
        let status = status(&engine.paths, &record.id);
        if status.is_alive() {
            match force {
                Force::Stop { seconds } => {
                    stop::thaw(engine, record)?;
                    let how = stop::stop(engine, record, seconds)?;
                    if how != Stopped::NotRunning {
                        stopped = how;
                    }
                }
                // About to end by itself: its monitor is waited for below.
                Force::No if matches!(status, Status::Stopping { .. }) => {
                    let run_dir = engine.paths.container_run(&record.id);
                    lock::wait_free(&run_dir).map_err(FileError::at("wait for", &run_dir))?;
                }
                Force::No => return Err(RemoveError::Alive { id: record.id.clone(), status: status.name() }),
            }
        }
        let turn = Turn::take(&engine.paths, &record.id)?;
        if !engine.db.has_container(&record.id)? {
            return Ok(stopped);
        }
        if super::status(&engine.paths, &record.id).is_alive() {
            // Started again meanwhile.
            continue;
        }
        let run_dir = engine.paths.container_run(&record.id);
        let lock = if run_dir.exists() {
            lock::try_take(&run_dir).map_err(FileError::at("lock", &run_dir))?
        } else {
            // Nobody can make it without the turn.
            purge(engine, record)?;
            return Ok(stopped);
        };
        if lock.is_some() {
            purge(engine, record)?;
            return Ok(stopped);
        }
        drop(turn);
        lock::wait_free(&run_dir).map_err(FileError::at("wait for", &run_dir))?;
    }
}

/// Removes all of it, the row last: what is killed half-way can be removed again. The caller has the turn, and there is
/// no other monitor. Goes on past what is gone already.
pub(super) fn purge(engine: &Engine, record: &Record) -> Result<(), RemoveError> {
    delete::delete(&engine.paths.runtime(), &record.id, true)?;
    let dir = engine.paths.container(&record.id);
    // With an exit record, or without a directory, there was no monitor that could have left one.
    if dir.exists() && !matches!(exit::load(&dir), Ok(Some(_))) {
        remove_stray_cgroup(record)?;
    }
    tree::remove(&dir)?;
    tree::remove(&engine.paths.container_run(&record.id))?;
    engine.db.delete_container(&record.id)?;
    Ok(())
}

/// A monitor that was killed between making the cgroup and writing the runtime's state leaves one that no state names.
fn remove_stray_cgroup(record: &Record) -> Result<(), RemoveError> {
    let failed = |source| RemoveError::Cgroup { id: record.id.clone(), source };
    let path = spec::cgroup(&record.options, &record.id);
    let below = |base: &Path| base.join(path.strip_prefix("/").unwrap_or(&path));
    let (paths, v2): (Vec<PathBuf>, bool) = match detect().map_err(failed)? {
        Layout::V2 => (vec![below(Path::new("/sys/fs/cgroup"))], true),
        Layout::V1 { hierarchies } => (hierarchies.iter().map(|base| below(base)).collect(), false),
    };
    let paths: Vec<PathBuf> = paths.into_iter().filter(|path| path.exists()).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let cgroup = Cgroup::open(Location { paths, v2 });
    cgroup.remove().or_else(|_| cgroup.kill().and_then(|()| cgroup.remove())).map_err(failed)
}
