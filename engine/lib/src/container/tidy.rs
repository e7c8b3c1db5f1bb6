//! `container cleanup`: what a monitor that was killed could not give back.

use ketch_monitor::lock;
use ketch_runtime::container::delete::{self, DeleteError};

use super::FileError;
use super::status::status;
use super::turn::Turn;
use crate::Engine;
use crate::network::{self, SetupError};
use crate::state::containers::Record;

#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// podman's words.
    #[error("container {0} is running or paused, refusing to clean up: container state improper")]
    Alive(String),
    #[error(transparent)]
    Runtime(#[from] DeleteError),
    #[error(transparent)]
    Network(#[from] SetupError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Gives back the cgroups, addresses and ports of a container that has ended. A monitor in its last steps is waited for.
pub fn tidy(engine: &Engine, record: &Record) -> Result<(), TidyError> {
    let run_dir = engine.paths.container_run(&record.id);
    loop {
        let turn = Turn::take(&engine.paths, &record.id)?;
        if status(&engine.paths, &record.id).is_alive() {
            return Err(TidyError::Alive(record.id.clone()));
        }
        if !lock::is_held(&run_dir).map_err(FileError::at("look at the lock of", &run_dir))? {
            delete::delete(&engine.paths.runtime(), &record.id, true)?;
            return Ok(network::release(engine, &record.id)?);
        }
        drop(turn);
        lock::wait_free(&run_dir).map_err(FileError::at("wait for", &run_dir))?;
    }
}
