//! `pod pause` and `pod unpause`: those containers that run, and those that are paused.

use super::MemberError;
use crate::Engine;
use crate::container::pause::{PauseError, pause as pause_container, unpause as unpause_container};
use crate::container::{Status, status};
use crate::events::{Action, Event};
use crate::state::{self, containers::Record, pods::Pod};

pub fn pause(engine: &Engine, pod: &Pod) -> Result<Vec<MemberError>, state::Error> {
    each(engine, pod, Action::Pause, |status| matches!(status, Status::Running { .. }), pause_container)
}

pub fn unpause(engine: &Engine, pod: &Pod) -> Result<Vec<MemberError>, state::Error> {
    each(engine, pod, Action::Unpause, |status| matches!(status, Status::Paused { .. }), unpause_container)
}

fn each(
    engine: &Engine,
    pod: &Pod,
    action: Action,
    wanted: fn(&Status) -> bool,
    work: fn(&Engine, &Record) -> Result<(), PauseError>,
) -> Result<Vec<MemberError>, state::Error> {
    let step = if action == Action::Pause { "pausing" } else { "unpausing" };
    let members = engine.db.members(&pod.id)?;
    let one = |member: &Record| match wanted(&status(&engine.paths, &member.id)) {
        true => work(engine, member).err().map(MemberError::of(step, member)),
        false => None,
    };
    let failed: Vec<_> = members.iter().filter_map(one).collect();
    if failed.is_empty() {
        engine.event(Event::of_pod(pod, action));
    }
    Ok(failed)
}
