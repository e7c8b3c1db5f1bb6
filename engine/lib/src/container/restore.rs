//! `container restore`: from a checkpoint to a running container.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ketch_monitor::config;
use ketch_runtime::criu::NetworkLock;
use ketch_runtime::criu::statistics;

use super::FileError;
use super::checkpoint::{addresses, marker, remove_file};
use super::start::{Start, StartError, start};
use super::status::{Status, status};
use crate::Engine;
use crate::events::{Action, Event};
use crate::image::Image;
use crate::state::containers::Record;
use crate::tree::{self, TreeError};

/// What a restore is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The CRIU to run.
    pub criu: PathBuf,
    pub network_lock: Option<NetworkLock>,
    pub tcp_established: bool,
    pub tcp_close: bool,
    pub file_locks: bool,
    /// Keep the images, CRIU's log and statistics.
    pub keep: bool,
    /// Do without the addresses that the container was to have.
    pub ignore_static_ip: bool,
    pub ignore_static_mac: bool,
}

/// What it cost.
#[derive(Debug, Clone)]
pub struct Statistics {
    pub duration: Duration,
    pub criu: Option<statistics::Restore>,
}

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// podman's words.
    #[error("container {0} is running or paused, cannot restore: container state improper")]
    Alive(String),
    /// podman's words.
    #[error(
        "a complete checkpoint for this container cannot be found, cannot restore: no inventory.img in {}", .0.display()
    )]
    NoCheckpoint(PathBuf),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// CRIU's log of a restore, in the container's directory.
const LOG: &str = "restore.log";

/// Restores a container that has ended with a checkpoint. On error it stays what it was.
pub fn restore(
    engine: &Engine,
    record: &Record,
    image: Option<&Image>,
    options: &Options,
) -> Result<Statistics, RestoreError> {
    let begun = Instant::now();
    let dir = engine.paths.container(&record.id);
    match status(&engine.paths, &record.id) {
        status if status.is_alive() => return Err(RestoreError::Alive(record.id.clone())),
        Status::Exited(_) | Status::Created { .. } if marker::has_images(&dir) => {}
        _ => return Err(RestoreError::NoCheckpoint(marker::images(&dir))),
    }
    let images = marker::images(&dir);
    let mut record = record.clone();
    let wanted = (!options.ignore_static_ip, !options.ignore_static_mac);
    // Open connections are between addresses; without any, one that another machine's network has not is no loss.
    let fits = |network: &str, address| {
        let network = engine.db.find_network(network);
        options.tcp_established
            || network.is_ok_and(|network| network.subnets.iter().any(|own| own.subnet.contains(&address)))
    };
    addresses::ask_for(&addresses::read(&dir)?, &mut record.options, wanted, fits);
    let record = &record;
    let how = Start {
        image,
        detached: true,
        restore: Some(config::Restore {
            criu: options.criu.clone(),
            images: images.clone(),
            tcp_established: options.tcp_established,
            tcp_close: options.tcp_close,
            file_locks: options.file_locks,
            nftables: options.network_lock == Some(NetworkLock::Nftables),
        }),
        ..Start::default()
    };
    if !start(engine, record, how)?.now {
        return Err(RestoreError::Alive(record.id.clone()));
    }
    engine.event(Event::of_container(record, Action::Restore));
    let statistics = Statistics { duration: begun.elapsed(), criu: statistics::of_restore(&dir) };
    if !options.keep {
        tree::remove(&images)?;
        for name in [LOG, statistics::RESTORE] {
            remove_file(&dir.join(name))?;
        }
    }
    Ok(statistics)
}
