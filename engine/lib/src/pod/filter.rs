//! `pod ps --filter`: which pods are meant.

use super::status::Whole;
use crate::container::filter::{FilterError, Pattern, any};
use crate::label;

/// Conditions by key: one value of each key must match, and all labels.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    ids: Vec<String>,
    names: Vec<Pattern>,
    labels: Vec<label::Condition>,
    not_labels: Vec<label::Condition>,
    states: Vec<String>,
    networks: Vec<String>,
    container_ids: Vec<String>,
    container_names: Vec<Pattern>,
    container_numbers: Vec<usize>,
    container_states: Vec<String>,
}

impl Filters {
    /// Adds one `key=value`.
    pub fn add(&mut self, text: &str) -> Result<(), FilterError> {
        let (key, value) = text.split_once('=').ok_or_else(|| FilterError::Form(text.to_owned()))?;
        let number = || value.parse().map_err(|_| FilterError::Number(value.to_owned()));
        match key {
            "id" => self.ids.push(value.to_owned()),
            "name" => self.names.push(Pattern::parse(value)?),
            "label" => self.labels.push(label::Condition::parse(value)),
            "label!" => self.not_labels.push(label::Condition::parse(value)),
            "status" => self.states.push(pod_state(value)?),
            "network" => self.networks.push(value.to_owned()),
            "ctr-ids" => self.container_ids.push(value.to_owned()),
            "ctr-names" => self.container_names.push(Pattern::parse(value)?),
            "ctr-number" => self.container_numbers.push(number()?),
            "ctr-status" => self.container_states.push(container_state(value)?),
            _ => return Err(FilterError::Key(key.to_owned())),
        }
        Ok(())
    }

    pub fn admit(&self, whole: &Whole) -> bool {
        let Whole { pod, members } = whole;
        let labelled = |label: &label::Condition| label.holds(|key| pod.options.labels.get(key));
        let status = whole.status().name();
        any(&self.ids, |id| pod.id.starts_with(&**id))
            && any(&self.names, |name| name.matches(&pod.name))
            && self.labels.iter().all(labelled)
            && !self.not_labels.iter().any(labelled)
            && any(&self.states, |state| state.eq_ignore_ascii_case(status))
            && any(&self.networks, |network| {
                whole.infra().is_some_and(|infra| infra.options.network.has(network))
            })
            && any(&self.container_ids, |id| members.iter().any(|(record, _)| record.id.starts_with(&**id)))
            && any(&self.container_names, |name| members.iter().any(|(record, _)| name.matches(&record.name)))
            && any(&self.container_numbers, |number| members.len() == *number)
            && any(&self.container_states, |state| members.iter().any(|(_, status)| status.name() == state))
    }
}

/// podman's words, in any case.
fn pod_state(name: &str) -> Result<String, FilterError> {
    match name.to_ascii_lowercase().as_str() {
        state @ ("created" | "degraded" | "exited" | "paused" | "running" | "stopped" | "error") => {
            Ok(state.to_owned())
        }
        _ => Err(FilterError::PodState(name.to_owned())),
    }
}

fn container_state(name: &str) -> Result<String, FilterError> {
    match name {
        "created" | "running" | "paused" | "exited" | "unknown" => Ok(name.to_owned()),
        "stopped" => Ok("exited".to_owned()),
        _ => Err(FilterError::ContainerState(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Status;
    use crate::pod::options::PodOptions;
    use crate::state::containers::Record;
    use crate::state::pods::Pod;

    #[test]
    fn filters() {
        let labels = [("a".to_owned(), "b".to_owned())].into();
        let pod = Pod {
            id: "abcd".into(),
            name: "shop".into(),
            options: PodOptions { labels, ..PodOptions::default() },
            ..Pod::default()
        };
        let web = Record { id: "beef".into(), name: "web".into(), ..Record::default() };
        let whole = Whole { pod, members: vec![(web, Status::Running { pid: 1, started: String::new() })] };
        for (filters, expected) in [
            (&[][..], true),
            (&["id=ab"], true),
            (&["id=b"], false),
            (&["name=sho"], true),
            (&["label=a"], true),
            (&["label=a=c"], false),
            (&["label!=a"], false),
            (&["status=running"], true),
            (&["status=Created", "status=Running"], true),
            (&["status=created"], false),
            (&["ctr-ids=be"], true),
            (&["ctr-names=db"], false),
            (&["ctr-number=1"], true),
            (&["ctr-number=2"], false),
            (&["ctr-status=running"], true),
            (&["ctr-status=exited"], false),
        ] {
            let mut all = Filters::default();
            filters.iter().for_each(|filter| all.add(filter).unwrap());
            assert_eq!(all.admit(&whole), expected, "{filters:?}");
        }
        for (filter, expected) in [
            ("bogus=1", "bogus is an invalid filter"),
            ("status=bogus", "bogus is not a valid pod status"),
            ("ctr-number=x", "x is not a valid number of containers"),
        ] {
            assert!(Filters::default().add(filter).unwrap_err().to_string().contains(expected), "{filter}");
        }
    }
}
