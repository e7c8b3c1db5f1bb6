//! `volume prune`: what no container uses goes.

use super::filter::{Filter, admit};
use super::{RemoveError, remove_unused};
use crate::events::{Action, Event, Kind};
use crate::{Engine, state};

/// The names of unused volumes that `filters` admit.
pub fn candidates(engine: &Engine, filters: &[Filter]) -> Result<Vec<String>, state::Error> {
    let all = engine.db.volumes()?.into_iter();
    let unused = all.filter(|volume| volume.users == 0 && admit(filters, volume));
    Ok(unused.map(|volume| volume.name).collect())
}

/// Removes them; `done` is told each one's name, or what is wrong with it. One that is used by now stays.
pub fn prune(engine: &Engine, names: &[String], mut done: impl FnMut(&str, Result<(), RemoveError>)) {
    for name in names {
        match remove_unused(engine, name) {
            Ok(true) => {
                engine.event(Event::new(Kind::Volume, Action::Prune, "", name));
                done(name, Ok(()));
            }
            Ok(false) => {}
            Err(error) => done(name, Err(error)),
        }
    }
}
