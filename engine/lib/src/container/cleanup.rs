//! What the monitor does when its container has ended: addresses and ports are given back, and `--rm`.

use std::path::Path;

use ketch_monitor::Config;
use ketch_monitor::exit::Exit;

use super::remove::purge;
use super::status;
use super::turn::Turn;
use crate::state::Database;
use crate::{Engine, Paths, network};

/// Runs in the monitor, which holds the container's lock and has deleted the runtime's state.
///
/// A failure has no one to be told to; the container stays listed as exited, and `ketch rm` meets the cause again.
pub fn cleanup(config: &Config, exit: &Exit) {
    if exit.pid == 0 {
        status::never_began(&config.dir);
    }
    if !config.remove && !config.gives_back {
        return;
    }
    let Some(paths) = paths(config) else { return };
    let Ok(db) = Database::open(&paths.database()) else { return };
    let engine = Engine { paths, db };
    if config.gives_back {
        let _ = network::release(&engine, &config.id);
    }
    if !config.remove {
        return;
    }
    // A start that failed is undone by the command that wants it, which has the turn and waits for this monitor;
    // if that command is dead, the turn is free.
    let turn = if exit.pid == 0 {
        Turn::try_take(&engine.paths, &config.id)
    } else {
        Turn::take(&engine.paths, &config.id).map(Some)
    };
    let Ok(Some(_turn)) = turn else { return };
    if let Ok(record) = engine.db.find_container(&config.id) {
        let _ = purge(&engine, &record, true);
    }
}

/// The engine's directories, from the container's own.
fn paths(config: &Config) -> Option<Paths> {
    let above = |path: &Path| path.parent()?.parent().map(Path::to_owned);
    Some(Paths { root: above(&config.dir)?, run: above(&config.run_dir)? })
}
