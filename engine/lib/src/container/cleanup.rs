//! What the monitor does when its container has ended: `--rm`, and a pod's exit policy.

use std::path::Path;

use ketch_monitor::Config;
use ketch_monitor::exit::Exit;

use super::remove::purge;
use super::status::{self, status};
use super::stop;
use super::turn::Turn;
use crate::pod::options::ExitPolicy;
use crate::state::Database;
use crate::state::containers::Record;
use crate::{Engine, Paths};

/// Runs in the monitor, which holds the container's lock and has deleted the runtime's state.
///
/// A failure has no one to be told to; the container stays listed as exited, and `ketch rm` meets the cause again.
pub fn cleanup(config: &Config, exit: &Exit) {
    if exit.pid == 0 {
        status::never_began(&config.dir);
    }
    let Some(paths) = paths(config).filter(|_| config.remove || config.pod.is_some()) else { return };
    if let Some(pod) = &config.pod {
        end_pod(&paths, &config.id, pod);
    }
    if !config.remove {
        return;
    }
    // A start that failed is undone by the command that wants it, which has the turn and waits for this monitor;
    // if that command is dead, the turn is free.
    let turn = if exit.pid == 0 {
        Turn::try_take(&paths, &config.id)
    } else {
        Turn::take(&paths, &config.id).map(Some)
    };
    let Ok(Some(_turn)) = turn else { return };
    let Ok(db) = Database::open(&paths.database()) else { return };
    let engine = Engine { paths, db };
    if let Ok(record) = engine.db.find_container(&config.id) {
        let _ = purge(&engine, &record, true);
    }
}

/// With `--exit-policy stop` the last member that ends takes the infra container with it.
fn end_pod(paths: &Paths, own: &str, pod: &str) {
    let Ok(db) = Database::open(&paths.database()) else { return };
    let engine = Engine { paths: paths.clone(), db };
    let Ok(pod) = engine.db.find_pod(pod) else { return };
    let Ok(members) = engine.db.members(&pod.id) else { return };
    let (infra, others): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.options.infra);
    // Two that end at once have both recorded it by now: each sees the other as ended.
    let lives = |record: &&Record| record.id != own && status(paths, &record.id).is_alive();
    if pod.options.exit_policy == ExitPolicy::Continue || others.iter().any(lives) {
        return;
    }
    for infra in infra.into_iter().filter(|infra| infra.id != own) {
        let _ = stop::stop(&engine, infra, None);
    }
}

/// The engine's directories, from the container's own.
fn paths(config: &Config) -> Option<Paths> {
    let above = |path: &Path| path.parent()?.parent().map(Path::to_owned);
    Some(Paths { root: above(&config.dir)?, run: above(&config.run_dir)? })
}
