//! What the monitor does for the engine: it notes that its container runs, and that it has ended; addresses and ports
//! are given back; and `--rm`.

use std::path::Path;

use ketch_cgroups::systemd::Manager;
use ketch_monitor::exit::Exit;
use ketch_monitor::{Config, Hooks};

use super::remove::purge;
use super::turn::Turn;
use super::{rename, restart, status};
use crate::events::{Action, Event, Kind, note};
use crate::state::Database;
use crate::{Engine, Paths, network};

/// For the monitor's `main`.
pub const HOOKS: Hooks = Hooks { begun, cleanup };

/// Here, and not in the command that starts it: so a start comes before its end, however short it is.
fn begun(config: &Config) {
    let Some(paths) = paths(config) else { return };
    let event = |action| event(config, action);
    let events = [event(Action::Init), event(Action::Start), event(Action::Attach)];
    note(&paths, if config.attached { &events } else { &events[..2] });
}

/// Runs in the monitor, which holds the container's lock and has deleted the runtime's state.
///
/// A failure has no one to be told to; the container stays listed as exited, and `ketch rm` meets the cause again.
fn cleanup(config: &Config, exit: &Exit) {
    if exit.pid == 0 {
        status::never_began(&config.dir);
    }
    let Some(paths) = paths(config) else { return };
    let remove = config.remove && !restart::is_marked(&config.run_dir);
    if exit.pid != 0 {
        note_end(&paths, config, exit, remove);
    }
    if !remove && !config.gives_back {
        return;
    }
    let Ok(db) = Database::open(&paths.database()) else { return };
    // Neither is asked for: a cgroup's own manager is in its state.
    let engine = Engine { paths, db, cgroup_manager: None, systemd: Manager::system() };
    if config.gives_back {
        let _ = network::release(&engine, &config.id);
    }
    if !remove {
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
        let _ = purge(&engine, &record, true, Some(exit.code).filter(|_| exit.pid != 0));
    }
}

fn note_end(paths: &Paths, config: &Config, exit: &Exit, remove: bool) {
    let name = rename::given(&config.dir).unwrap_or_else(|| config.name.clone());
    let died =
        Event { name: name.clone(), container_exit_code: Some(exit.code), ..event(config, Action::Died) };
    if remove {
        // Its removal is noted when it is done.
        note(paths, &[died]);
    } else {
        note(paths, &[died, Event { name, ..event(config, Action::Cleanup) }]);
    }
}

fn event(config: &Config, action: Action) -> Event {
    Event {
        image: config.image.clone(),
        pod_id: config.pod.clone().unwrap_or_default(),
        attributes: Some(config.labels.clone()),
        ..Event::new(Kind::Container, action, &config.id, &config.name)
    }
}

/// The engine's directories, from the container's own.
fn paths(config: &Config) -> Option<Paths> {
    let above = |path: &Path| path.parent()?.parent().map(Path::to_owned);
    Some(Paths { root: above(&config.dir)?, run: above(&config.run_dir)? })
}
