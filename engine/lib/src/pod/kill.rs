//! `pod kill`: a signal to each container that runs.

use super::MemberError;
use crate::Engine;
use crate::container::kill::kill as kill_container;
use crate::container::stop::SignalError;
use crate::container::{Status, status};
use crate::events::{Action, Event};
use crate::state::{self, pods::Pod};

pub fn kill(engine: &Engine, pod: &Pod, signal: i32) -> Result<Vec<MemberError>, state::Error> {
    let mut failed = Vec::new();
    // The infra container last: others may live in its pid namespace.
    for member in engine.db.members(&pod.id)?.into_iter().rev() {
        if !matches!(status(&engine.paths, &member.id), Status::Running { .. } | Status::Paused { .. }) {
            continue;
        }
        match kill_container(engine, &member, signal) {
            // It ended meanwhile.
            Ok(()) | Err(SignalError::NotRunning { .. }) => {}
            Err(error) => failed.push(MemberError::of("killing", &member)(error)),
        }
    }
    if failed.is_empty() {
        engine.event(Event::of_pod(pod, Action::Kill));
    }
    Ok(failed)
}
