//! `--filter` of `volume ls` and `volume prune`.

use super::{FindError, Volume};
use crate::label;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    Name(String),
    Driver(String),
    Scope(String),
    Label(label::Condition),
    NotLabel(label::Condition),
    Dangling(bool),
    Anonymous(bool),
    /// RFC 3339, UTC, nanoseconds: made before then.
    Until(String),
    /// Likewise: made after then, when another volume was made.
    Since(String),
}

/// podman's words.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("invalid filter {0:?}: must be in the format \"filter=value\"")]
    Form(String),
    #[error("{0:?} is an invalid volume filter")]
    Key(String),
    #[error("{0:?} is not a valid value for the \"{1}\" filter - must be true or false")]
    Boolean(String, &'static str),
    #[error("{0:?} is no point in time")]
    Time(String),
    #[error(transparent)]
    Volume(#[from] FindError),
}

impl Filter {
    /// `moment` reads a point in time as people type it, and `find` finds the volume that `since` names.
    pub fn parse(
        text: &str,
        moment: impl Fn(&str) -> Option<String>,
        find: impl Fn(&str) -> Result<Volume, FindError>,
    ) -> Result<Filter, FilterError> {
        let (key, value) = text.split_once('=').ok_or_else(|| FilterError::Form(text.to_owned()))?;
        let value = value.to_owned();
        let boolean = |value: String, key| match value.as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(FilterError::Boolean(value, key)),
        };
        Ok(match key {
            "name" => Filter::Name(value),
            "driver" => Filter::Driver(value),
            "scope" => Filter::Scope(value),
            "label" => Filter::Label(label::Condition::parse(&value)),
            "label!" => Filter::NotLabel(label::Condition::parse(&value)),
            "dangling" => Filter::Dangling(boolean(value, "dangling")?),
            "anonymous" => Filter::Anonymous(boolean(value, "anonymous")?),
            "until" => Filter::Until(moment(&value).ok_or(FilterError::Time(value))?),
            "since" | "after" => Filter::Since(find(&value)?.created),
            _ => return Err(FilterError::Key(key.to_owned())),
        })
    }

    pub fn matches(&self, volume: &Volume) -> bool {
        let labelled = |label: &label::Condition| label.holds(|key| volume.labels.get(key));
        match self {
            Filter::Name(part) => volume.name.contains(part),
            Filter::Driver(name) => name == "local",
            Filter::Scope(name) => name == "local",
            Filter::Label(label) => labelled(label),
            Filter::NotLabel(label) => !labelled(label),
            Filter::Dangling(wanted) => (volume.users == 0) == *wanted,
            Filter::Anonymous(wanted) => volume.anonymous == *wanted,
            Filter::Until(moment) => volume.created < *moment,
            Filter::Since(moment) => volume.created > *moment,
        }
    }
}

/// One filter of each key must match; labels all.
pub fn admit(filters: &[Filter], volume: &Volume) -> bool {
    let same_key = |a: &Filter, b: &Filter| std::mem::discriminant(a) == std::mem::discriminant(b);
    filters.iter().all(|filter| match filter {
        Filter::Label(_) | Filter::NotLabel(_) => filter.matches(volume),
        one => filters.iter().any(|other| same_key(one, other) && other.matches(volume)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let volume = Volume {
            name: "data".into(),
            created: "2026-11-24T10:00:00.000000000Z".into(),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            users: 1,
            ..Volume::default()
        };
        let moment = |text: &str| text.starts_with("20").then(|| text.to_owned());
        let find = |name: &str| match name {
            "old" => Ok(Volume { created: "2026-11-24T09:00:00.000000000Z".into(), ..Volume::default() }),
            "own" => Ok(volume.clone()),
            other => Err(FindError::NotFound(other.to_owned())),
        };
        for (texts, expected) in [
            (&["name=at"][..], true),
            (&["name=x"], false),
            (&["name=x", "name=dat"], true),
            (&["label=a"], true),
            (&["label=a=c"], false),
            (&["label!=a"], false),
            (&["label=a", "label=b"], false),
            (&["dangling=true"], false),
            (&["dangling=false", "driver=local"], true),
            (&["until=2026-11-24T11"], true),
            (&["since=old"], true),
            (&["after=own"], false),
            (&["anonymous=false"], true),
        ] {
            let filters: Vec<_> =
                texts.iter().map(|text| Filter::parse(text, moment, find).unwrap()).collect();
            assert_eq!(admit(&filters, &volume), expected, "{texts:?}");
        }
        for bad in ["x", "bogus=1", "dangling=maybe", "until=soon", "since=1h"] {
            assert!(Filter::parse(bad, moment, find).is_err(), "{bad}");
        }
    }
}
