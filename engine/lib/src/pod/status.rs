//! How a pod is doing: what its containers make of it.

use crate::Engine;
use crate::container::{self, Status as Container};
use crate::state;
use crate::state::containers::Record;
use crate::state::pods::Pod;

/// podman's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Created,
    /// Some run.
    Degraded,
    /// All have ended.
    Exited,
    Paused,
    Running,
    /// Some have ended, and none runs.
    Stopped,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Created => "Created",
            Status::Degraded => "Degraded",
            Status::Exited => "Exited",
            Status::Paused => "Paused",
            Status::Running => "Running",
            Status::Stopped => "Stopped",
        }
    }

    /// Of a pod with these containers.
    pub fn of<'a>(containers: impl IntoIterator<Item = &'a Container>) -> Status {
        let (mut all, mut running, mut paused, mut ended) = (0, 0, 0, 0);
        for container in containers {
            all += 1;
            match container {
                Container::Running { .. } => running += 1,
                Container::Paused { .. } => paused += 1,
                Container::Exited(_) | Container::Stopping { .. } => ended += 1,
                Container::Created { .. } | Container::Initialized { .. } => {}
            }
        }
        match (running, paused, ended) {
            (1.., ..) if running == all => Status::Running,
            (1.., ..) => Status::Degraded,
            (_, 1.., _) if paused == all => Status::Paused,
            (.., 1..) if ended == all => Status::Exited,
            (.., 1..) => Status::Stopped,
            (_, 1.., _) => Status::Paused,
            _ => Status::Created,
        }
    }
}

/// A pod with its containers, each with how it is doing; the infra container first.
#[derive(Debug, Clone)]
pub struct Whole {
    pub pod: Pod,
    pub members: Vec<(Record, Container)>,
}

impl Whole {
    pub fn read(engine: &Engine, pod: Pod) -> Result<Whole, state::Error> {
        let members = engine.db.members(&pod.id)?;
        let with_status = |record: Record| {
            let status = container::status(&engine.paths, &record.id);
            (record, status)
        };
        Ok(Whole { members: members.into_iter().map(with_status).collect(), pod })
    }

    pub fn status(&self) -> Status {
        Status::of(self.members.iter().map(|(_, status)| status))
    }

    pub fn infra(&self) -> Option<&Record> {
        self.members.iter().map(|(record, _)| record).find(|record| record.options.infra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ketch_monitor::exit::Exit;

    #[test]
    fn of_containers() {
        let container = |letter| match letter {
            'r' => Container::Running { pid: 1, started: String::new() },
            'p' => Container::Paused { pid: 1, started: String::new() },
            'c' => Container::Created { error: String::new() },
            _ => Container::Exited(Exit {
                code: 0,
                oom_killed: false,
                started: String::new(),
                finished: String::new(),
                pid: 1,
                error: String::new(),
            }),
        };
        for (containers, expected) in [
            ("", "Created"),
            ("cc", "Created"),
            ("r", "Running"),
            ("rr", "Running"),
            ("rc", "Degraded"),
            ("re", "Degraded"),
            ("rp", "Degraded"),
            ("pp", "Paused"),
            ("ee", "Exited"),
            ("ec", "Stopped"),
            ("pc", "Paused"),
        ] {
            let containers: Vec<_> = containers.chars().map(container).collect();
            assert_eq!(Status::of(&containers).name(), expected);
        }
    }
}
