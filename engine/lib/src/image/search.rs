//! `search`: what registries have. docker's first interface answers where there is one; else the catalog is gone through.

use serde::Deserialize;

use super::reference::{Reference, ReferenceError, is_registry};
use super::registry::{Access, Client, RegistryError, encoded};

/// A repository that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The registry.
    pub index: String,
    /// With the registry.
    pub name: String,
    pub description: String,
    pub stars: u64,
    pub is_official: bool,
    pub is_automated: bool,
}

/// A condition of `--filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// So many, at least.
    Stars(u64),
    Official(bool),
    Automated(bool),
}

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// podman's words.
    #[error("invalid filter type {0:?}")]
    Filter(String),
    #[error("invalid filter {0:?}: stars takes a number, is-official and is-automated true or false")]
    Value(String),
    #[error("search term is empty")]
    Empty,
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("couldn't search registry {registry:?}")]
    Registry { registry: String, source: RegistryError },
    #[error("couldn't search registry {registry:?}: its answer is not valid: {reason}")]
    Answer { registry: String, reason: String },
}

impl Filter {
    pub fn parse(text: &str) -> Result<Filter, SearchError> {
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
        let flag = match value {
            None | Some("true" | "1") => Some(true),
            Some("false" | "0") => Some(false),
            _ => None,
        };
        let filter = match key {
            "stars" => value.and_then(|value| value.parse().ok()).map(Filter::Stars),
            "is-official" => flag.map(Filter::Official),
            "is-automated" => flag.map(Filter::Automated),
            _ => return Err(SearchError::Filter(text.to_owned())),
        };
        filter.ok_or_else(|| SearchError::Value(text.to_owned()))
    }

    fn fits(self, found: &Found) -> bool {
        match self {
            Filter::Stars(least) => found.stars >= least,
            Filter::Official(wanted) => found.is_official == wanted,
            Filter::Automated(wanted) => found.is_automated == wanted,
        }
    }
}

/// `term` is part of a name, behind a registry and a slash or not: `quay.io/app`, `quay.io/`, `app`.
pub fn search(
    term: &str,
    access: &Access,
    filters: &[Filter],
    limit: usize,
) -> Result<Vec<Found>, SearchError> {
    match term.split_once('/') {
        Some((registry, part)) if is_registry(registry) => search_one(registry, part, access, filters, limit),
        _ => {
            let default = ["docker.io".to_owned()];
            let registries = access.registries.search().filter(|list| !list.is_empty()).unwrap_or(&default);
            let mut found = Vec::new();
            for registry in registries {
                found.extend(search_one(registry, term, access, filters, limit)?);
            }
            Ok(found)
        }
    }
}

fn search_one(
    registry: &str,
    part: &str,
    access: &Access,
    filters: &[Filter],
    limit: usize,
) -> Result<Vec<Found>, SearchError> {
    if part.is_empty() && registry == "docker.io" {
        return Err(SearchError::Empty);
    }
    let failed = |source| SearchError::Registry { registry: registry.to_owned(), source };
    let host = if registry == "docker.io" { "index.docker.io" } else { registry };
    let client = Client::of_registry(host, access, "registry:catalog:*").map_err(failed)?;
    let answer = match part {
        "" => None,
        part => client.other(&format!("/v1/search?q={}&n={limit}", encoded(part))).map_err(failed)?,
    };
    let mut found = match answer {
        Some(bytes) => first_interface(registry, &bytes)?,
        None => catalog(registry, client.repositories(part, limit).map_err(failed)?),
    };
    found.retain(|found| filters.iter().all(|filter| filter.fits(found)));
    found.truncate(limit);
    Ok(found)
}

/// The tags of the repository `name`, behind its complete name.
pub fn tags(name: &str, access: &Access, limit: usize) -> Result<(String, Vec<String>), SearchError> {
    let reference = Reference::parse(name)?;
    let failed = |source| SearchError::Registry { registry: reference.registry.clone(), source };
    let client = Client::new(&reference, access).map_err(failed)?;
    Ok((reference.name(), client.tags(limit).map_err(failed)?))
}

fn first_interface(registry: &str, bytes: &[u8]) -> Result<Vec<Found>, SearchError> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        results: Vec<Entry>,
    }
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Entry {
        name: String,
        description: Option<String>,
        star_count: u64,
        is_official: bool,
        is_automated: bool,
    }
    let answer: Answer = serde_json::from_slice(bytes)
        .map_err(|error| SearchError::Answer { registry: registry.to_owned(), reason: error.to_string() })?;
    let found = answer.results.into_iter().map(|entry| Found {
        index: registry.to_owned(),
        name: complete(registry, &entry.name),
        description: entry.description.unwrap_or_default().replace('\n', " "),
        stars: entry.star_count,
        is_official: entry.is_official,
        is_automated: entry.is_automated,
    });
    Ok(found.collect())
}

fn catalog(registry: &str, names: Vec<String>) -> Vec<Found> {
    let found = names.into_iter().map(|name| Found {
        index: registry.to_owned(),
        name: complete(registry, &name),
        ..Found::default()
    });
    found.collect()
}

fn complete(registry: &str, name: &str) -> String {
    let library = if registry == "docker.io" && !name.contains('/') { "library/" } else { "" };
    format!("{registry}/{library}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for (text, expected) in [
            ("stars=3", Some(Filter::Stars(3))),
            ("is-official", Some(Filter::Official(true))),
            ("is-official=false", Some(Filter::Official(false))),
            ("is-automated=1", Some(Filter::Automated(true))),
            ("stars", None),
            ("stars=-1", None),
            ("is-official=x", None),
            ("foo=3", None),
        ] {
            assert_eq!(Filter::parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn queries() {
        assert_eq!(encoded("a-b/c d&é"), "a-b%2Fc%20d%26%C3%A9");
    }
}
