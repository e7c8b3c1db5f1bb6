//! `events --filter`: which events are meant.

use super::{Event, Kind};
use crate::label;

/// Conditions by key: one value of each key must match.
#[derive(Debug, Clone, Default)]
pub struct Filters(Vec<(Key, Vec<String>)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Container,
    Event,
    Image,
    Label,
    Network,
    Pod,
    Type,
    Volume,
}

/// podman's words.
#[derive(Debug, thiserror::Error)]
#[error("{0} is an invalid filter")]
pub struct FilterError(String);

impl Filters {
    /// Adds one `key=value`.
    pub fn add(&mut self, text: &str) -> Result<(), FilterError> {
        let (name, value) = text.split_once('=').ok_or_else(|| FilterError(text.to_owned()))?;
        let key = match &*name.to_ascii_lowercase() {
            "container" => Key::Container,
            "event" | "status" => Key::Event,
            "image" => Key::Image,
            "label" => Key::Label,
            "network" => Key::Network,
            "pod" => Key::Pod,
            "type" => Key::Type,
            "volume" => Key::Volume,
            _ => return Err(FilterError(name.to_owned())),
        };
        match self.0.iter_mut().find(|(other, _)| *other == key) {
            Some((_, values)) => values.push(value.to_owned()),
            None => self.0.push((key, vec![value.to_owned()])),
        }
        Ok(())
    }

    pub fn admit(&self, event: &Event) -> bool {
        self.0.iter().all(|(key, values)| {
            // Labels too, unlike those of `ps`: so it is with podman.
            values.iter().any(|value| matches(*key, value, event))
        })
    }
}

fn matches(key: Key, value: &str, event: &Event) -> bool {
    let is = |kind| event.kind == kind && (event.name == value || starts_with(&event.id, value));
    match key {
        Key::Container => is(Kind::Container),
        // docker's word.
        Key::Event => event.status == value || (value == "die" && event.status == "died"),
        Key::Image => is(Kind::Image),
        Key::Label => {
            let labels = event.attributes.as_ref();
            label::Condition::parse(value).holds(|key| labels.and_then(|labels| labels.get(key)))
        }
        Key::Network => is(Kind::Network) || event.network == value,
        // Of the pod itself, and of its containers.
        Key::Pod => is(Kind::Pod) || (event.kind == Kind::Container && starts_with(&event.pod_id, value)),
        Key::Type => event.kind.name() == value,
        Key::Volume => is(Kind::Volume),
    }
}

/// An id, or its beginning.
fn starts_with(id: &str, value: &str) -> bool {
    !value.is_empty() && id.starts_with(value)
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::*;

    #[test]
    fn events() {
        let mut event = Event::new(Kind::Container, Action::Died, "abcd", "web");
        event.image = "localhost/bb:latest".into();
        event.pod_id = "f00d".into();
        event.attributes = Some([("a".to_owned(), "b".to_owned())].into());
        for (filters, expected) in [
            (&[][..], true),
            (&["container=web"], true),
            (&["container=ab"], true),
            (&["container="], false),
            (&["container=other", "container=web"], true),
            (&["container=web", "event=start"], false),
            (&["event=start", "event=died"], true),
            (&["event=die"], true),
            (&["type=container"], true),
            (&["type=image"], false),
            (&["image=localhost/bb:latest"], false),
            (&["label=a"], true),
            (&["label=a=b"], true),
            (&["label=c"], false),
            (&["label=a", "label=c"], true),
            (&["pod=f0"], true),
            (&["volume=web"], false),
        ] {
            let mut all = Filters::default();
            for filter in filters {
                all.add(filter).unwrap();
            }
            assert_eq!(all.admit(&event), expected, "{filters:?}");
        }
        assert_eq!(Filters::default().add("foo=1").unwrap_err().to_string(), "foo is an invalid filter");
    }
}
