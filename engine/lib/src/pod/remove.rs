//! `pod rm`: nothing of the pod stays.

use super::stop::{Outcome, all_of};
use super::{MemberError, cgroup};
use crate::Engine;
use crate::container::remove::{Force, RemoveError, remove_any};
use crate::container::status;
use crate::container::stop::Stopped;
use crate::events::{Action, Event};
use crate::state::{self, containers::Record, pods::Pod};

#[derive(Debug, thiserror::Error)]
pub enum RemovePodError {
    /// podman's words. Without force nothing was removed then.
    #[error("not all containers could be removed from pod {id}: removing pod containers")]
    Members { id: String, members: Vec<MemberError> },
    #[error("cannot remove the cgroup of pod {id}")]
    Cgroup { id: String, source: ketch_cgroups::Error },
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Removes the members, youngest first (one joins only what is older), then the infra container, the cgroup and the row: a
/// removal that was killed half-way can be done again. A pod that is gone already is no error.
///
/// Anonymous volumes go with their containers. Without force a pod is kept whose members are alive; an infra container that is alone is none. Says how those were
/// stopped that had to be.
pub fn remove(engine: &Engine, pod: &Pod, force: Force) -> Result<Vec<(Record, Stopped)>, RemovePodError> {
    let mut stopped = Vec::new();
    loop {
        let mut members = engine.db.members(&pod.id)?;
        members.reverse();
        if force == Force::No {
            refuse_alive(engine, pod, &members)?;
        }
        stopped.extend(remove_members(engine, pod, members, force)?);
        cgroup::remove(engine, pod)
            .map_err(|source| RemovePodError::Cgroup { id: pod.id.clone(), source })?;
        // A container may have been made in it meanwhile.
        if engine.db.delete_pod(&pod.id)? {
            engine.event(Event::of_pod(pod, Action::Remove));
            return Ok(stopped);
        }
    }
}

fn refuse_alive(engine: &Engine, pod: &Pod, members: &[Record]) -> Result<(), RemovePodError> {
    let alive = |member: &&Record| !member.options.infra && status(&engine.paths, &member.id).is_alive();
    let refused: Vec<MemberError> = members
        .iter()
        .filter(alive)
        .map(|member| {
            let status = status(&engine.paths, &member.id).name();
            failed(member)(RemoveError::Alive { id: member.id.clone(), status })
        })
        .collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(RemovePodError::Members { id: pod.id.clone(), members: refused })
    }
}

fn remove_members(
    engine: &Engine,
    pod: &Pod,
    members: Vec<Record>,
    force: Force,
) -> Result<Vec<(Record, Stopped)>, RemovePodError> {
    let mut stopped = Vec::new();
    let mut errors = Vec::new();
    let (infra, others): (Vec<_>, Vec<_>) = members.into_iter().partition(|member| member.options.infra);
    if let Force::Stop { seconds } = force {
        // All are asked to end before the first is waited for; what is wrong with one is said in its turn.
        let ended: Outcome = all_of(engine, others.clone(), seconds);
        stopped.extend(ended.into_iter().filter_map(|(record, how)| Some((record, how.ok()?))));
    }
    for member in others {
        match remove_any(engine, &member, force, true) {
            Ok(how) => stopped.push((member, how)),
            Err(error) => errors.push(failed(&member)(error)),
        }
    }
    if errors.is_empty() {
        for member in infra {
            let seconds = if let Force::Stop { seconds } = force { seconds } else { None };
            if let Err(error) = remove_any(engine, &member, Force::Stop { seconds }, true) {
                errors.push(failed(&member)(error));
            }
        }
    }
    if errors.is_empty() {
        Ok(stopped)
    } else {
        Err(RemovePodError::Members { id: pod.id.clone(), members: errors })
    }
}

fn failed(record: &Record) -> impl FnOnce(RemoveError) -> MemberError {
    MemberError::of("error removing", record)
}
