//! `update`: other limits for a container that runs.

use std::path::Path;

use ketch_cgroups::Cgroup;
use serde_json::Value;

use super::directory::{lock, write_state};
use super::state::{State, StateError, Status};
use crate::spec::LinuxResources;
use crate::step::StepError;

#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("container not running: {id:?} is stopped")]
    Stopped { id: String },
    #[error("container {id:?} was made without cgroups: there is nothing to limit")]
    NoCgroup { id: String },
    #[error(transparent)]
    Cgroup(#[from] ketch_cgroups::Error),
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Sets those limits of a container that `changes` gives, and notes them in its state. The others, and device rules, stay.
///
/// On error the limits are what they were, as far as the kernel takes back what it shows.
pub fn update(root: &Path, id: &str, changes: &LinuxResources) -> Result<(), UpdateError> {
    super::state::check_id(id)?;
    let _lock = lock(root, id)?;
    let mut state = State::load(root, id)?;
    if state.status(root) == Status::Stopped {
        return Err(UpdateError::Stopped { id: id.to_owned() });
    }
    if state.cgroup.paths.is_empty() {
        return Err(UpdateError::NoCgroup { id: id.to_owned() });
    }
    Cgroup::open(state.cgroup.clone()).apply(changes)?;
    let mut limits = merged(&state.config.resources.take().unwrap_or_default(), changes);
    limits.set_devices(None);
    state.config.resources = Some(limits);
    Ok(write_state(&root.join(id), &state)?)
}

/// `base` with all that `changes` gives in its place: objects field by field, lists whole.
pub fn merged(base: &LinuxResources, changes: &LinuxResources) -> LinuxResources {
    let value = |resources: &LinuxResources| {
        serde_json::to_value(resources).expect("resources have no keys but strings")
    };
    let mut merged = value(base);
    put(&mut merged, value(changes));
    serde_json::from_value(merged).expect("fields of resources, each as it was")
}

fn put(base: &mut Value, change: Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(changes)) => {
            for (key, change) in changes {
                put(base.entry(key).or_insert(Value::Null), change);
            }
        }
        (base, change) => *base = change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging() {
        for (base, changes, expected) in [
            ("{}", "{}", "{}"),
            (
                r#"{"memory":{"limit":1,"swap":2},"pids":{"limit":3}}"#,
                r#"{"memory":{"limit":9},"cpu":{"cpus":"0"}}"#,
                r#"{"memory":{"limit":9,"swap":2},"pids":{"limit":3},"cpu":{"cpus":"0"}}"#,
            ),
            (
                r#"{"unified":{"a.x":"1","b.y":"2"},"hugepageLimits":[{"pageSize":"2MB","limit":1}]}"#,
                r#"{"unified":{"b.y":"3"},"hugepageLimits":[{"pageSize":"1GB","limit":2}]}"#,
                r#"{"unified":{"a.x":"1","b.y":"3"},"hugepageLimits":[{"pageSize":"1GB","limit":2}]}"#,
            ),
        ] {
            let parsed = |text: &str| serde_json::from_str::<LinuxResources>(text).expect(text);
            assert_eq!(merged(&parsed(base), &parsed(changes)), parsed(expected), "{base} + {changes}");
        }
    }
}
