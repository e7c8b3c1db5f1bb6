//! `container checkpoint`: CRIU's images in the container's directory, and, if wanted, all of it in an archive.

pub(super) mod addresses;
mod admit;
mod dump;
pub mod export;
pub mod fingerprint;
pub mod import;
pub mod marker;
mod podman;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ketch_monitor::lock;
use ketch_runtime::container::checkpoint as runtime;
use ketch_runtime::container::state::{State, StateError};
use ketch_runtime::criu::NetworkLock;
use ketch_runtime::criu::statistics;

use self::export::{Export, ExportError};
use super::status::{Status, status};
use super::turn::Turn;
use super::{FileError, stop};
use crate::Engine;
use crate::events::{Action, Event};
use crate::state::{self, containers::Record};
use crate::tree::{self, TreeError};

/// What a checkpoint is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The CRIU to run.
    pub criu: PathBuf,
    pub network_lock: Option<NetworkLock>,
    pub leave_running: bool,
    pub tcp_established: bool,
    pub file_locks: bool,
    /// Keep CRIU's log and statistics.
    pub keep: bool,
    pub stage: Stage,
    pub export: Option<Export>,
}

/// How much of the container is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Whole,
    /// The memory only; the container goes on.
    Pre,
    /// What has changed since.
    AfterPre,
}

/// What it cost.
#[derive(Debug, Clone)]
pub struct Statistics {
    pub duration: Duration,
    pub criu: Option<statistics::Dump>,
}

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// podman's words.
    #[error("{status:?} is not running, cannot checkpoint: container state improper")]
    NotRunning { status: &'static str },
    /// podman's words.
    #[error("cannot checkpoint containers that have been started with '--rm' unless '--export' is used")]
    Temporary,
    #[error("there is no pre-checkpoint of container {0} that --with-previous could go on from")]
    NoPrevious(String),
    #[error("cannot checkpoint container {0}: it is in a user namespace of its own")]
    Users(String),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Runtime(#[from] runtime::CheckpointError),
    #[error(transparent)]
    RuntimeState(#[from] StateError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Wait(#[from] stop::SignalError),
}

/// CRIU's log of a dump, in the container's directory.
const LOG: &str = "dump.log";

/// The directory of a pre-checkpoint's images, as podman names it.
const PREVIOUS: &str = "pre-checkpoint";

/// Makes a checkpoint. On error the container goes on as it was.
pub fn checkpoint(
    engine: &Engine,
    record: &Record,
    options: &Options,
) -> Result<Statistics, CheckpointError> {
    let begun = Instant::now();
    if record.options.remove && options.export.is_none() {
        return Err(CheckpointError::Temporary);
    }
    if record.options.userns.is_own() {
        return Err(CheckpointError::Users(record.id.clone()));
    }
    let turn = Turn::take(&engine.paths, &record.id)?;
    match status(&engine.paths, &record.id) {
        Status::Running { .. } => {}
        other => return Err(CheckpointError::NotRunning { status: other.name() }),
    }
    let dir = engine.paths.container(&record.id);
    let state = State::load(&engine.paths.runtime(), &record.id)?;
    let run_dir = engine.paths.container_run(&record.id);
    let monitor = lock::holder(&run_dir).map_err(FileError::at("look at the lock of", &run_dir))?;
    let mut archive = match &options.export {
        Some(export) => Some(export::begin(record, export)?),
        None => None,
    };
    let dumped = dump_processes(engine, record, options, &state, archive.as_mut());
    let statistics = Statistics { duration: begun.elapsed(), criu: statistics::of_dump(&dir) };
    let finished = dumped.and_then(|()| match archive {
        Some(archive) => Ok(archive.finish(&dir)?),
        None => Ok(()),
    });
    if finished.is_ok() && !options.keep {
        for name in [LOG, statistics::DUMP] {
            remove_file(&dir.join(name))?;
        }
    }
    if finished.is_ok() {
        engine.event(Event::of_container(record, Action::Checkpoint));
    }
    drop(turn);
    finished?;
    if !options.leave_running && options.stage != Stage::Pre {
        // Its monitor records the end.
        monitor.wait().map_err(FileError::at("wait for", &run_dir))?;
    }
    Ok(statistics)
}

/// Has CRIU write the images, and fills the archive while the processes stand.
fn dump_processes(
    engine: &Engine,
    record: &Record,
    options: &Options,
    state: &State,
    mut archive: Option<&mut export::Archive>,
) -> Result<(), CheckpointError> {
    let dir = engine.paths.container(&record.id);
    let previous = dir.join(PREVIOUS);
    let images = if options.stage == Stage::Pre { previous.clone() } else { marker::images(&dir) };
    if options.stage == Stage::AfterPre && !previous.is_dir() {
        return Err(CheckpointError::NoPrevious(record.id.clone()));
    }
    // Images of an earlier one would be mixed with the new.
    if options.stage != Stage::Pre {
        marker::clear_checkpoint(&dir).map_err(FileError::at("prepare", &dir))?;
    }
    tree::remove(&images)?;
    let how = runtime::Options {
        root: &engine.paths.runtime(),
        criu: &options.criu,
        images: &images,
        work: Some(&dir),
        parent: (options.stage == Stage::AfterPre).then_some(Path::new("../pre-checkpoint")),
        pre_dump: options.stage == Stage::Pre,
        leave_running: options.leave_running,
        tcp_established: options.tcp_established,
        tcp_skip_in_flight: false,
        link_remap: false,
        ext_unix_sk: false,
        shell_job: false,
        file_locks: options.file_locks,
        auto_dedup: false,
        empty_network: false,
        cgroups: None,
        network_lock: options.network_lock,
        page_server: None,
        lazy_pages: false,
        status_fd: None,
        config: None,
    };
    let mut dumped = || -> Result<(), runtime::Reason> {
        let addresses = addresses::of(engine, &record.id)?;
        fs::write(dir.join(addresses::FILE), serde_json::to_vec(&addresses)?)?;
        if let (Some(archive), Some(export)) = (archive.as_deref_mut(), &options.export) {
            archive.fill(engine, record, state, export)?;
        }
        if !options.leave_running && options.stage != Stage::Pre {
            marker::set(&dir)?;
        }
        Ok(())
    };
    let result = runtime::checkpoint(state, &how, &mut dumped);
    if let Err(error) = result {
        // It goes on, and has no checkpoint. The log stays: the error names it.
        marker::clear_checkpoint(&dir).map_err(FileError::at("clear", &dir))?;
        tree::remove(&images)?;
        return Err(error.into());
    }
    Ok(())
}

pub(super) fn remove_file(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::at("remove", path)(error))
        }
        _ => Ok(()),
    }
}
