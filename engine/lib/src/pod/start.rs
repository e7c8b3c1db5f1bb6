//! `pod start`: the infra container, then those that are to end before the others begin, then the others, each after those that
//! it joins.

use super::{Cause, MemberError};
use crate::Engine;
use crate::container::options::InitContainer;
use crate::container::remove::{Force, remove};
use crate::container::start::{Start, start as start_container};
use crate::container::wait::{Condition, wait};
use crate::container::{Status, status};
use crate::events::{Action, Event};
use crate::image;
use crate::state::{self, containers::Record, pods::Pod};

/// Starts all that do not run. One that cannot be started keeps only those from their turn that join it; an init container that
/// fails keeps all others from theirs.
pub fn start(engine: &Engine, pod: &Pod) -> Result<Vec<MemberError>, state::Error> {
    let members = engine.db.members(&pod.id)?;
    let (first, others): (Vec<_>, Vec<_>) =
        members.iter().partition(|member| member.options.init_container.is_some());
    let (infra, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|member| member.options.infra);
    let mut failed: Vec<_> = infra.iter().filter_map(|member| start_one(engine, member).err()).collect();
    // In a pod that runs they have been.
    let runs = |member: &&Record| matches!(status(&engine.paths, &member.id), Status::Running { .. });
    if !others.iter().any(runs) {
        for member in first {
            if let Err(error) = run_to_its_end(engine, member) {
                failed.push(error);
                return Ok(failed);
            }
        }
    }
    failed.extend(others.iter().filter_map(|member| start_one(engine, member).err()));
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

fn run_to_its_end(engine: &Engine, record: &Record) -> Result<(), MemberError> {
    start_one(engine, record)?;
    let code = wait(engine, record, &[Condition::Stopped]).map_err(MemberError::of("waiting for", record))?;
    if code != 0 {
        return Err(MemberError::of("running init", record)(Cause::Init(code)));
    }
    if record.options.init_container == Some(InitContainer::Once) {
        remove(engine, record, Force::No, true).map_err(MemberError::of("removing", record))?;
    }
    Ok(())
}
