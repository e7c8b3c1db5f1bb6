//! `pod start`: the infra container, then the others, each after those that it joins.

use super::MemberError;
use crate::Engine;
use crate::container::start::{Start, start as start_container};
use crate::events::{Action, Event};
use crate::image;
use crate::state::{self, containers::Record, pods::Pod};

/// Starts all that do not run. One that cannot be started keeps only those from their turn that join it.
pub fn start(engine: &Engine, pod: &Pod) -> Result<Vec<MemberError>, state::Error> {
    let members = engine.db.members(&pod.id)?;
    let failed: Vec<_> = members.iter().filter_map(|member| start_one(engine, member).err()).collect();
    if failed.is_empty() {
        engine.event(Event::of_pod(pod, Action::Start));
    }
    Ok(failed)
}

fn start_one(engine: &Engine, record: &Record) -> Result<(), MemberError> {
    let image = record.image_id.as_deref().map(|id| image::find(engine, id)).transpose();
    let image = image.map_err(MemberError::of("starting", record))?;
    let how = Start { image: image.as_ref(), detached: true, ..Start::default() };
    start_container(engine, record, how).map_err(MemberError::of("starting", record)).map(drop)
}
