//! What the monitor does for the engine: it notes that its container runs, and that it has ended; addresses and ports
//! are given back; `--rm`; and a pod's exit policy.

use std::path::Path;

use ketch_cgroups::systemd::Manager;
use ketch_monitor::exit::Exit;
use ketch_monitor::{Config, Hooks};

use super::remove::purge;
use super::status::{self, status};
use super::turn::Turn;
use super::{account, policy, rename, restart, stop};
use crate::events::{Action, Event, Kind, note};
use crate::pod::options::ExitPolicy;
use crate::state::Database;
use crate::state::containers::Record;
use crate::{Engine, Paths, image, network};

/// For the monitor's `main`.
pub const HOOKS: Hooks = Hooks { begun, cleanup, abandoned, ended: policy::ended };

/// Here, and not in the command that starts it: so a start comes before its end, however short it is.
fn begun(config: &Config) {
    let Some(paths) = paths(config) else { return };
    let event = |action| event(config, action);
    let events = [event(Action::Init), event(Action::Start), event(Action::Attach)];
    // The command that kept it has noted that.
    let first = usize::from(config.kept);
    let last = if config.attached { events.len() } else { events.len() - 1 };
    note(&paths, &events[first..last]);
}

/// Runs in the monitor, which holds the container's lock and has deleted the runtime's state.
///
/// A failure has no one to be told to; the container stays listed as exited, and `ketch rm` meets the cause again.
fn cleanup(config: &Config, exit: &Exit) {
    clean(config, exit, false);
}

/// The same, when nobody waits for this monitor. A command that was killed has its turn for a moment longer than its end of
/// the socket by which its death is heard of.
fn abandoned(config: &Config, exit: &Exit) {
    clean(config, exit, true);
}

fn clean(config: &Config, exit: &Exit, is_abandoned: bool) {
    if exit.pid == 0 {
        status::never_began(&config.dir);
    }
    let Some(paths) = paths(config) else { return };
    let remove = config.remove && !restart::is_marked(&config.run_dir);
    if exit.pid != 0 {
        note_end(&paths, config, exit, remove);
    }
    if !remove && !config.gives_back && config.pod.is_none() && config.account.is_none() {
        return;
    }
    let Ok(db) = Database::open(&paths.database()) else { return };
    // Neither is asked for: a cgroup's own manager is in its state.
    let engine = Engine { paths, db, cgroup_manager: None, systemd: Manager::system() };
    if let Some(account) = config.account.as_ref().filter(|_| exit.pid != 0) {
        account::report(&engine, &config.id, account, exit);
    }
    if config.gives_back {
        let _ = network::release(&engine, &config.id);
    }
    if let Some(pod) = &config.pod {
        end_pod(&engine, &config.id, pod);
    }
    if !remove {
        return;
    }
    // A start that failed is undone by the command that wants it, which has the turn and waits for this monitor;
    // if that command is dead, the turn is free.
    let turn = if exit.pid == 0 && !is_abandoned {
        Turn::try_take(&engine.paths, &config.id)
    } else {
        Turn::take(&engine.paths, &config.id).map(Some)
    };
    let Ok(Some(_turn)) = turn else { return };
    if let Ok(record) = engine.db.find_container(&config.id) {
        let purged = purge(&engine, &record, true, Some(exit.code).filter(|_| exit.pid != 0));
        if let (true, Ok(()), Some(image)) = (record.options.remove_image, purged, &record.image_id) {
            // One that others use, or that has other names, stays.
            let _ = image::remove::remove(&engine, image, false).map(|_| image::remove::sweep(&engine));
        }
    }
}

/// With `--exit-policy stop` the last member that ends takes the infra container with it.
fn end_pod(engine: &Engine, own: &str, pod: &str) {
    let Ok(pod) = engine.db.find_pod(pod) else { return };
    if pod.options.exit_policy == ExitPolicy::Continue {
        return;
    }
    let Ok(members) = engine.db.members(&pod.id) else { return };
    let (infra, others): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.options.infra);
    // Two that end at once have both recorded it by now: each sees the other as ended.
    let lives = |record: &&Record| record.id != own && status(&engine.paths, &record.id).is_alive();
    if others.iter().any(lives) {
        return;
    }
    for infra in infra.into_iter().filter(|infra| infra.id != own) {
        let _ = stop::stop(engine, infra, None);
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
pub(super) fn paths(config: &Config) -> Option<Paths> {
    let above = |path: &Path| path.parent()?.parent().map(Path::to_owned);
    Some(Paths { root: above(&config.dir)?, run: above(&config.run_dir)? })
}
