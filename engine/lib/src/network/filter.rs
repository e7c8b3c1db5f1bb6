//! `network ls --filter`, and `prune`'s.

use super::Network;
use crate::label;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    Name(String),
    Id(String),
    Driver(String),
    Label(label::Condition),
    NotLabel(label::Condition),
    /// Made before then: RFC 3339, UTC, nanoseconds.
    Until(String),
}

#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("invalid filter {0:?}: KEY=VALUE is expected")]
    Form(String),
    /// podman's words.
    #[error("invalid filter {0:?}")]
    Key(String),
    #[error("{0:?}: unable to interpret time value")]
    Time(String),
}

impl Filter {
    /// `moment` reads a point in time.
    pub fn parse(text: &str, moment: impl Fn(&str) -> Option<String>) -> Result<Filter, FilterError> {
        let (key, value) = text.split_once('=').ok_or_else(|| FilterError::Form(text.to_owned()))?;
        Ok(match key {
            "name" => Filter::Name(value.to_owned()),
            "id" => Filter::Id(value.to_owned()),
            "driver" => Filter::Driver(value.to_owned()),
            "label" => Filter::Label(label::Condition::parse(value)),
            "label!" => Filter::NotLabel(label::Condition::parse(value)),
            "until" => Filter::Until(moment(value).ok_or_else(|| FilterError::Time(value.to_owned()))?),
            _ => return Err(FilterError::Key(key.to_owned())),
        })
    }

    fn holds(&self, network: &Network) -> bool {
        let labelled = |label: &label::Condition| label.holds(|key| network.labels.get(key));
        match self {
            Filter::Name(part) => network.name.contains(&**part),
            Filter::Id(start) => network.id.starts_with(&**start),
            Filter::Driver(driver) => driver == "bridge",
            Filter::Label(label) => labelled(label),
            Filter::NotLabel(label) => !labelled(label),
            Filter::Until(time) => network.created < *time,
        }
    }
}

/// One of each key must hold, and all labels.
pub fn admit(filters: &[Filter], network: &Network) -> bool {
    let same_key = |a: &Filter, b: &Filter| std::mem::discriminant(a) == std::mem::discriminant(b);
    filters.iter().all(|filter| match filter {
        Filter::Label(_) | Filter::NotLabel(_) => filter.holds(network),
        one => filters.iter().any(|other| same_key(one, other) && other.holds(network)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let network = Network {
            id: "abcd".into(),
            name: "front".into(),
            created: "2026-01-02".into(),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            ..Network::default()
        };
        for (filters, expected) in [
            (&["name=ron"][..], true),
            (&["name=x", "name=fr"], true),
            (&["name=x"], false),
            (&["id=ab", "driver=bridge"], true),
            (&["driver=macvlan"], false),
            (&["label=a", "label=a=b"], true),
            (&["label=a", "label=c"], false),
            (&["label!=a"], false),
            (&["until=2026-01-03"], true),
            (&["until=2026-01-01"], false),
            (&[], true),
        ] {
            let filters: Vec<Filter> = filters
                .iter()
                .map(|text| Filter::parse(text, |time| Some(time.to_owned())).unwrap())
                .collect();
            assert_eq!(admit(&filters, &network), expected, "{filters:?}");
        }
        assert!(Filter::parse("name", |_| None).is_err());
        assert!(Filter::parse("x=y", |_| None).is_err());
        assert!(Filter::parse("until=y", |_| None).is_err());
    }
}
