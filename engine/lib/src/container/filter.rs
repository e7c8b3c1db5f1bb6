//! `ps --filter`: which containers are meant.

use super::options::{MountKind, Network};
use super::{Status, health};
use crate::Paths;
use crate::label;
use crate::state::containers::Record;

/// Conditions by key: one value of each key must match, and all labels.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    ids: Vec<String>,
    names: Vec<Pattern>,
    labels: Vec<label::Condition>,
    not_labels: Vec<label::Condition>,
    states: Vec<String>,
    codes: Vec<i32>,
    ancestors: Vec<String>,
    networks: Vec<String>,
    pods: Vec<String>,
    volumes: Vec<String>,
    commands: Vec<String>,
    policies: Vec<String>,
    verdicts: Vec<String>,
    until: Option<String>,
    before: Vec<String>,
    since: Vec<String>,
}

/// podman's words.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("filter input must be in the form of filter=value: {0} is invalid")]
    Form(String),
    #[error("{0} is an invalid filter")]
    Key(String),
    #[error("unknown container state: {0}: invalid argument")]
    State(String),
    #[error("{0} is not a valid pod status")]
    PodState(String),
    #[error("{0} is not a valid status")]
    ContainerState(String),
    #[error("{0} is not a valid number of containers")]
    Number(String),
    #[error("exited code out of range {0:?}")]
    Code(String),
    #[error(
        "cannot use the name filter {0:?}: of regular expressions, ketch knows ^ and $ at the ends and .* "
    )]
    Pattern(String),
}

/// The part of a regular expression that names are asked for with.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    start: bool,
    end: bool,
    /// In this order, with anything between them.
    parts: Vec<String>,
}

/// The container that `before` or `since` names, and the pod of `pod`, which only the caller can look up.
pub trait Lookup {
    /// Its creation time.
    fn created(&self, name: &str) -> Option<String>;

    /// The name of the network that has this name or id.
    fn network(&self, name: &str) -> Option<String>;

    /// The full id of the pod that has this name, or this id.
    fn pod(&self, name: &str) -> Option<String>;
}

impl Filters {
    /// Adds one `key=value`.
    pub fn add(&mut self, text: &str) -> Result<(), FilterError> {
        let (key, value) = text.split_once('=').ok_or_else(|| FilterError::Form(text.to_owned()))?;
        match key {
            "id" => self.ids.push(value.to_owned()),
            "name" => self.names.push(Pattern::parse(value)?),
            "label" => self.labels.push(label::Condition::parse(value)),
            "label!" => self.not_labels.push(label::Condition::parse(value)),
            "status" => self.states.push(state(value)?.to_owned()),
            "exited" => self.codes.push(value.parse().map_err(|_| FilterError::Code(value.to_owned()))?),
            "ancestor" => self.ancestors.push(value.to_owned()),
            "network" => self.networks.push(value.to_owned()),
            "pod" => self.pods.push(value.to_owned()),
            "volume" => self.volumes.push(value.to_owned()),
            "command" => self.commands.push(value.to_owned()),
            "restart-policy" => self.policies.push(value.to_owned()),
            "health" => self.verdicts.push(value.to_owned()),
            "before" => self.before.push(value.to_owned()),
            "since" => self.since.push(value.to_owned()),
            _ => return Err(FilterError::Key(key.to_owned())),
        }
        Ok(())
    }

    /// `until`: those created before then. The text is for the caller to read; this is RFC 3339, as in the rows.
    pub fn set_until(&mut self, time: String) {
        self.until = Some(time);
    }

    /// Whether containers that do not run are asked for too.
    pub fn ask_for_stopped(&self) -> bool {
        !self.states.is_empty() || !self.codes.is_empty()
    }

    /// The containers that `before` and `since` name.
    pub fn neighbours(&self) -> impl Iterator<Item = &str> {
        self.before.iter().chain(&self.since).map(String::as_str)
    }

    /// What the row alone decides, before the kernel is asked about the container.
    pub fn admit_record(&self, record: &Record, lookup: &dyn Lookup) -> bool {
        let labelled = |label: &label::Condition| label.holds(|key| record.options.labels.get(key));
        let compare = |names: &[String], holds: fn(&str, &str) -> bool| {
            names.iter().all(|name| lookup.created(name).is_some_and(|other| holds(&record.created, &other)))
        };
        any(&self.ids, |id| record.id.starts_with(&**id))
            && any(&self.names, |name| name.matches(&record.name))
            && self.labels.iter().all(labelled)
            && !self.not_labels.iter().any(labelled)
            && any(&self.ancestors, |image| is_ancestor(record, image))
            && any(&self.networks, |network| is_on(record, network, lookup))
            && any(&self.pods, |pod| is_member(record, pod, lookup))
            && any(&self.volumes, |volume| has_volume(record, volume))
            && any(&self.commands, |command| record.command.first() == Some(command))
            && any(&self.policies, |policy| policy == record.options.restart.name())
            && self.until.as_ref().is_none_or(|until| record.created < *until)
            && compare(&self.before, |own, other| own < other)
            && compare(&self.since, |own, other| own > other)
    }

    pub fn admit_health(&self, paths: &Paths, record: &Record, status: &Status) -> bool {
        any(&self.verdicts, |wanted| {
            let verdict = health::of(&record.options).filter(|_| matches!(status, Status::Running { .. }));
            let name =
                verdict.map_or("none", |_| health::Results::load(&paths.container(&record.id)).status.name());
            name == wanted
        })
    }

    pub fn admit_status(&self, status: &Status) -> bool {
        any(&self.states, |state| state == status.name())
            && any(&self.codes, |code| status.exit().is_some_and(|exit| exit.code == *code))
    }
}

/// A mode, or a network by name or id.
fn is_on(record: &Record, network: &str, lookup: &dyn Lookup) -> bool {
    match &record.options.network {
        Network::Bridge(endpoints) => {
            let found = lookup.network(network);
            let name = found.as_deref().unwrap_or(network);
            endpoints.iter().any(|endpoint| endpoint.network == name)
        }
        mode => network == mode.name(),
    }
}

/// Whether one value of a key holds, or none was asked for.
pub(crate) fn any<T>(list: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(holds)
}

/// podman's other words for a state are understood; those that ketch never shows match nothing.
fn state(name: &str) -> Result<&str, FilterError> {
    match name {
        "configured" => Ok("created"),
        "stopped" => Ok("exited"),
        "created" | "initialized" | "running" | "paused" | "exited" | "stopping" | "removing" | "unknown" => {
            Ok(name)
        }
        _ => Err(FilterError::State(name.to_owned())),
    }
}

/// `bb`, `localhost/bb`, `localhost/bb:latest`, or the beginning of the image's id.
fn is_ancestor(record: &Record, image: &str) -> bool {
    let name = &*record.image_name;
    let untagged = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name);
    let ends_with = |name: &str| name == image || name.ends_with(&format!("/{image}"));
    ends_with(name)
        || ends_with(untagged)
        || record.image_id.as_ref().is_some_and(|id| image.len() >= 3 && id.starts_with(image))
}

fn is_member(record: &Record, pod: &str, lookup: &dyn Lookup) -> bool {
    let own = record.options.pod.as_ref();
    own.is_some_and(|own| (!pod.is_empty() && own.starts_with(pod)) || lookup.pod(pod).as_ref() == Some(own))
}

/// The source or the destination of a mount, or a volume's name.
fn has_volume(record: &Record, volume: &str) -> bool {
    record.options.mounts.iter().any(|mount| {
        let source = match &mount.kind {
            MountKind::Bind { source } => source.to_str(),
            _ => mount.volume(),
        };
        mount.destination == volume || source == Some(volume)
    })
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Pattern, FilterError> {
        let (start, rest) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
        let (end, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
        let parts: Vec<String> = rest.split(".*").map(str::to_owned).collect();
        // A dot stands for itself in names, and as "any character" it matches itself as well.
        if parts
            .iter()
            .any(|part| part.contains(['*', '+', '?', '[', ']', '(', ')', '{', '}', '|', '\\', '^', '$']))
        {
            return Err(FilterError::Pattern(text.to_owned()));
        }
        Ok(Pattern { start, end, parts })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let mut rest = name;
        for (number, part) in self.parts.iter().enumerate() {
            let (first, last) = (number == 0, number + 1 == self.parts.len());
            if first && self.start {
                let Some(behind) = rest.strip_prefix(&**part) else { return false };
                rest = behind;
                if last && self.end {
                    return rest.is_empty();
                }
            } else if last && self.end {
                return rest.ends_with(&**part);
            } else {
                let Some(at) = rest.find(&**part) else { return false };
                rest = &rest[at + part.len()..];
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Mount;
    use super::*;

    struct Nobody;
    impl Lookup for Nobody {
        fn created(&self, name: &str) -> Option<String> {
            (name == "middle").then(|| "2026-01-02".to_owned())
        }

        fn network(&self, _name: &str) -> Option<String> {
            None
        }

        fn pod(&self, name: &str) -> Option<String> {
            (name == "shop").then(|| "f00d".to_owned())
        }
    }

    #[test]
    fn names() {
        for (pattern, name, expected) in [
            ("web", "my-web-1", true),
            ("^web", "web-1", true),
            ("^web", "my-web", false),
            ("web$", "my-web", true),
            ("^web$", "web", true),
            ("^web$", "web1", false),
            ("a.*c", "xabcx", true),
            ("^a.*c$", "abc", true),
            ("^a.*c$", "abcd", false),
            ("", "anything", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
        assert!(Pattern::parse("a[bc]").is_err());
    }

    #[test]
    fn records() {
        let mut record = Record {
            id: "abcd".into(),
            name: "web".into(),
            created: "2026-01-03".into(),
            image_id: Some("beef00".into()),
            image_name: "docker.io/library/debian:12".into(),
            ..Record::default()
        };
        record.options.labels.insert("a".into(), "b".into());
        record.options.pod = Some("f00d".into());
        record.command = vec!["sh".into(), "-c".into()];
        record.options.mounts = vec![Mount {
            kind: MountKind::Bind { source: "/srv".into() },
            destination: "/data".into(),
            options: Vec::new(),
            chown: false,
            no_copy: false,
        }];
        for (filters, expected) in [
            (&["id=ab"][..], true),
            (&["id=x"], false),
            (&["name=w", "name=x"], true),
            (&["label=a"], true),
            (&["label=a=b"], true),
            (&["label=a=c"], false),
            (&["label=a", "label=z"], false),
            (&["label!=a"], false),
            (&["label!=z"], true),
            (&["ancestor=debian"], true),
            (&["ancestor=debian:12"], true),
            (&["ancestor=docker.io/library/debian"], true),
            (&["ancestor=beef"], true),
            (&["ancestor=bian"], false),
            (&["since=middle"], true),
            (&["before=middle"], false),
            (&["network=none"], true),
            (&["network=host"], false),
            (&["pod=f0"], true),
            (&["pod=shop"], true),
            (&["pod=x"], false),
            (&["volume=/srv"], true),
            (&["volume=/data"], true),
            (&["volume=/dat"], false),
            (&["command=sh"], true),
            (&["command=s"], false),
        ] {
            let mut all = Filters::default();
            for filter in filters {
                all.add(filter).unwrap();
            }
            assert_eq!(all.admit_record(&record, &Nobody), expected, "{filters:?}");
        }
    }

    #[test]
    fn states() {
        let created = Status::Created { error: String::new() };
        for (filter, expected) in [
            ("status=created", true),
            ("status=configured", true),
            ("status=exited", false),
            ("exited=0", false),
        ] {
            let mut filters = Filters::default();
            filters.add(filter).unwrap();
            assert_eq!(filters.admit_status(&created), expected, "{filter}");
        }
    }

    #[test]
    fn refusals() {
        for (filter, expected) in [
            ("foo=bar", "foo is an invalid filter"),
            ("status=foo", "unknown container state: foo: invalid argument"),
            ("name", "filter input must be in the form of filter=value: name is invalid"),
        ] {
            assert_eq!(Filters::default().add(filter).unwrap_err().to_string(), expected);
        }
    }
}
