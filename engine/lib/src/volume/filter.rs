//! `--filter` of `volume ls` and `volume prune`.

use super::Volume;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    Name(String),
    Driver(String),
    Scope(String),
    /// Key, and value if given; whether it must not be there.
    Label(String, Option<String>, bool),
    Dangling(bool),
    Anonymous(bool),
    /// RFC 3339, UTC, nanoseconds: made before, or since.
    Until(String),
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
}

impl Filter {
    /// `moment` reads a point in time as people type it.
    pub fn parse(text: &str, moment: impl Fn(&str) -> Option<String>) -> Result<Filter, FilterError> {
        let (key, value) = text.split_once('=').ok_or_else(|| FilterError::Form(text.to_owned()))?;
        let value = value.to_owned();
        let label = |text: &str, not| match text.split_once('=') {
            Some((key, value)) => Filter::Label(key.to_owned(), Some(value.to_owned()), not),
            None => Filter::Label(text.to_owned(), None, not),
        };
        let boolean = |value: String, key| match value.as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(FilterError::Boolean(value, key)),
        };
        Ok(match key {
            "name" => Filter::Name(value),
            "driver" => Filter::Driver(value),
            "scope" => Filter::Scope(value),
            "label" => label(&value, false),
            "label!" => label(&value, true),
            "dangling" => Filter::Dangling(boolean(value, "dangling")?),
            "anonymous" => Filter::Anonymous(boolean(value, "anonymous")?),
            "until" => Filter::Until(moment(&value).ok_or(FilterError::Time(value))?),
            "since" | "after" => Filter::Since(moment(&value).ok_or(FilterError::Time(value))?),
            _ => return Err(FilterError::Key(key.to_owned())),
        })
    }

    pub fn matches(&self, volume: &Volume) -> bool {
        match self {
            Filter::Name(part) => volume.name.contains(part),
            Filter::Driver(name) => name == "local",
            Filter::Scope(name) => name == "local",
            Filter::Label(key, wanted, not) => {
                let has = volume
                    .labels
                    .get(key)
                    .is_some_and(|have| wanted.as_ref().is_none_or(|wanted| wanted == have));
                has != *not
            }
            Filter::Dangling(wanted) => (volume.users == 0) == *wanted,
            Filter::Anonymous(wanted) => volume.anonymous == *wanted,
            Filter::Until(moment) => volume.created < *moment,
            Filter::Since(moment) => volume.created > *moment,
        }
    }
}

/// One filter of each key must match; labels all.
pub fn admit(filters: &[Filter], volume: &Volume) -> bool {
    let (labels, others): (Vec<_>, Vec<_>) =
        filters.iter().partition(|filter| matches!(filter, Filter::Label(..)));
    let same_key = |a: &Filter, b: &Filter| std::mem::discriminant(a) == std::mem::discriminant(b);
    labels.iter().all(|filter| filter.matches(volume))
        && others
            .iter()
            .all(|filter| others.iter().any(|other| same_key(filter, other) && other.matches(volume)))
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
            (&["since=2026-11-24T11"], false),
            (&["anonymous=false"], true),
        ] {
            let filters: Vec<_> = texts.iter().map(|text| Filter::parse(text, moment).unwrap()).collect();
            assert_eq!(admit(&filters, &volume), expected, "{texts:?}");
        }
        for bad in ["x", "bogus=1", "dangling=maybe", "until=soon"] {
            assert!(Filter::parse(bad, moment).is_err(), "{bad}");
        }
    }
}
