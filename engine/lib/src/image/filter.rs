//! `--filter` of `images`.

use std::collections::HashSet;
use std::time::SystemTime;

use ketch_monitor::clock;

use super::reference::repository_of;
use super::{FindError, Image, find, index};
use crate::{Engine, label, state};

/// One condition, already looked up where it names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    condition: Condition,
    /// `!=`
    negated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Reference(String),
    Dangling(bool),
    Label(label::Condition),
    Id(String),
    /// Ids: added after or before the named image, or of images that containers use.
    Among(HashSet<String>),
    /// The beginning of the manifest's digest.
    Digest(String),
    Index(bool),
    /// Made before.
    Until(SystemTime),
    /// Of what the store has none of: intermediate images, and read-only ones of another store.
    None(bool),
}

#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("invalid image filter {0:?}: must be in the format \"filter=value or filter!=value\"")]
    Syntax(String),
    #[error("invalid image filter {0:?}: known are {KNOWN}")]
    Unknown(String),
    #[error("non-boolean value {value:?} for {key} filter: it is true or false")]
    Flag { key: String, value: String },
    #[error("unsupported value {0:?} for containers filter")]
    Containers(String),
    #[error("invalid value {0:?} for digest filter")]
    Digest(String),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error("could not find local image for filter {key:?}={value:?}")]
    Image { key: String, value: String, source: FindError },
}

const KNOWN: &str = "before, containers, dangling, digest, id, intermediate, label, manifest, readonly, reference, since, until";

impl Filter {
    /// `all` is every image, the latest first. Not `until`, for times are read elsewhere.
    pub fn parse(engine: &Engine, text: &str, all: &[Image]) -> Result<Filter, FilterError> {
        let (key, value) = text.split_once('=').ok_or_else(|| FilterError::Syntax(text.to_owned()))?;
        let (key, negated) = key.strip_suffix('!').map_or((key, false), |key| (key, true));
        let condition = match key {
            "reference" => Condition::Reference(value.to_owned()),
            "dangling" => Condition::Dangling(flag(key, value)?),
            "manifest" => Condition::Index(flag(key, value)?),
            "intermediate" | "readonly" => Condition::None(flag(key, value)?),
            "containers" => {
                let used: HashSet<String> =
                    engine.db.containers()?.into_iter().filter_map(|record| record.image_id).collect();
                match value {
                    "true" => Condition::Among(used),
                    "false" => {
                        let unused = all.iter().filter(|image| !used.contains(&image.id));
                        Condition::Among(unused.map(|image| image.id.clone()).collect())
                    }
                    _ => return Err(FilterError::Containers(value.to_owned())),
                }
            }
            "digest" if value.starts_with("sha256:") => Condition::Digest(value.to_owned()),
            "digest" => return Err(FilterError::Digest(value.to_owned())),
            "label" => Condition::Label(label::Condition::parse(value)),
            "id" => Condition::Id(value.to_owned()),
            "before" | "since" | "after" => {
                let image = find(engine, value).map_err(|source| FilterError::Image {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    source,
                })?;
                let at = all.iter().position(|other| other.id == image.id).unwrap_or(all.len());
                let (later, earlier) = all.split_at(at);
                let among = if key == "before" { earlier.get(1..).unwrap_or_default() } else { later };
                Condition::Among(among.iter().map(|image| image.id.clone()).collect())
            }
            _ => return Err(FilterError::Unknown(key.to_owned())),
        };
        Ok(Filter { condition, negated })
    }

    /// The condition that `images NAME` stands for.
    pub fn reference(pattern: &str) -> Filter {
        Filter { condition: Condition::Reference(pattern.to_owned()), negated: false }
    }

    /// `until=`
    pub fn until(time: SystemTime) -> Filter {
        Filter { condition: Condition::Until(time), negated: false }
    }

    pub fn matches(&self, image: &Image) -> bool {
        let fits = match &self.condition {
            Condition::Reference(pattern) => image.names.iter().any(|name| is_named(name, pattern)),
            Condition::Dangling(wanted) => image.names.is_empty() == *wanted,
            Condition::Label(label) => {
                let labels = image.config.labels_of_config();
                label.holds(|key| labels.and_then(|labels| labels.get(key)))
            }
            Condition::Id(id) => image.id.starts_with(crate::store::layers::hex(id)),
            Condition::Among(ids) => ids.contains(&image.id),
            Condition::Digest(digest) => image.digest.starts_with(digest),
            Condition::Index(wanted) => (index::Index::parse(&image.raw_manifest).is_some()) == *wanted,
            Condition::Until(time) => created(image).is_some_and(|created| created < *time),
            Condition::None(wanted) => !wanted,
        };
        fits != self.negated
    }

    /// Whether this asks for one name, given completely: then the image's other names are not wanted.
    pub fn picks(&self, name: &str) -> Option<bool> {
        match &self.condition {
            Condition::Reference(pattern) if !self.negated => Some(pattern == name),
            _ => None,
        }
    }
}

/// As Go reads a flag.
fn flag(key: &str, value: &str) -> Result<bool, FilterError> {
    match value {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err(FilterError::Flag { key: key.to_owned(), value: value.to_owned() }),
    }
}

fn created(image: &Image) -> Option<SystemTime> {
    clock::parse(image.config.created().as_deref()?.as_bytes())
}

/// Whether `pattern` fits the name or an end of it, with its tag or without.
fn is_named(name: &str, pattern: &str) -> bool {
    [name, repository_of(name)].into_iter().any(|name| {
        let starts = name.match_indices('/').map(|(slash, _)| slash + 1);
        starts.chain([0]).any(|start| fits(&name[start..], pattern))
    })
}

/// Shell patterns as Go's `path.Match` has them: `*` and `?` do not match a slash, `[a-z]` is one of a class.
fn fits(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            let mut ends = ends.take_while(|&end| !text[..end].contains('/'));
            ends.any(|end| fits(&text[end..], rest.as_str()))
        }
        Some('[') => match (rest.as_str().split_once(']'), text.chars().next()) {
            (Some((class, after)), Some(c)) => is_in(c, class) && fits(&text[c.len_utf8()..], after),
            _ => false,
        },
        Some('?') => match text.chars().next() {
            Some(c) if c != '/' => fits(&text[c.len_utf8()..], rest.as_str()),
            _ => false,
        },
        Some(c) => {
            let literal = if c == '\\' { rest.next().unwrap_or(c) } else { c };
            text.strip_prefix(literal).is_some_and(|text| fits(text, rest.as_str()))
        }
    }
}

fn is_in(c: char, class: &str) -> bool {
    let (class, negated) = class.strip_prefix('^').map_or((class, false), |class| (class, true));
    let chars: Vec<char> = class.chars().collect();
    let mut at = 0;
    let mut found = false;
    while at < chars.len() {
        if chars.get(at + 1) == Some(&'-') && at + 2 < chars.len() {
            found |= (chars[at]..=chars[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= chars[at] == c;
            at += 1;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let name = "docker.io/library/small:1.0";
        for pattern in [
            "small",
            "*small*",
            "sm?ll",
            "small:1.0",
            "small:*",
            "library/small",
            "docker.io/*/small",
            "docker.io/library/small:1.0",
            "[r-t]mall",
            "[^a]mall",
        ] {
            assert!(is_named(name, pattern), "{pattern}");
        }
        for pattern in
            ["smal", "all", "docker.io/*", "*/small:2", "docker.io", "[a-c]mall", "small:1", "sm?l", "["]
        {
            assert!(!is_named(name, pattern), "{pattern}");
        }
    }
}
