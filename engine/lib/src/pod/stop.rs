//! `pod stop`: all members at once, and the infra container after them.

use super::MemberError;
use crate::Engine;
use crate::container::stop::{Stopped, begin};
use crate::events::{Action, Event};
use crate::state::{self, containers::Record, pods::Pod};

/// What became of each; the infra container is the last.
pub type Outcome = Vec<(Record, Result<Stopped, MemberError>)>;

/// `seconds`: None: each container's own time-out; below 0: for ever.
pub fn stop(engine: &Engine, pod: &Pod, seconds: Option<i64>) -> Result<Outcome, state::Error> {
    let (infra, others) = engine.db.members(&pod.id)?.into_iter().partition(|member| member.options.infra);
    let mut outcome = all_of(engine, others, seconds);
    outcome.extend(all_of(engine, infra, seconds));
    if outcome.iter().all(|(_, stopped)| stopped.is_ok()) {
        engine.event(Event::of_pod(pod, Action::Stop));
    }
    Ok(outcome)
}

/// All are signalled before the first is waited for: together they take as long as the slowest.
pub(super) fn all_of(engine: &Engine, members: Vec<Record>, seconds: Option<i64>) -> Outcome {
    let begun: Vec<_> = members.iter().map(|member| begin(engine, member, seconds)).collect();
    let finish = |(record, begun): (Record, Result<crate::container::stop::Stopping, _>)| {
        let stopped = begun.and_then(|stopping| stopping.finish(engine, &record));
        let stopped = stopped.map_err(MemberError::of("stopping", &record));
        (record, stopped)
    };
    members.into_iter().zip(begun).map(finish).collect()
}
