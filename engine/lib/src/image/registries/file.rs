//! The files: the first one as a whole, and those that add to it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Alias, Registries, Search};
use crate::image::reference::{Reference, Short};

/// A `[[registry]]`.
#[derive(Debug, Clone)]
pub(super) struct Namespace {
    pub(super) prefix: String,
    pub(super) location: String,
    pub(super) is_insecure: bool,
    pub(super) is_blocked: bool,
    pub(super) mirrors: Vec<Mirror>,
    pub(super) path: PathBuf,
}

#[derive(Debug, Clone)]
pub(super) struct Mirror {
    pub(super) location: String,
    pub(super) is_insecure: bool,
    pub(super) uses: Uses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uses {
    All,
    Digests,
    Tags,
}

#[derive(Debug, thiserror::Error)]
pub enum RegistriesError {
    #[error("cannot read {}: {}", path.display(), crate::store::cause(error))]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct File {
    unqualified_search_registries: Option<Vec<String>>,
    short_name_mode: String,
    registry: Vec<Table>,
    aliases: BTreeMap<String, String>,
    /// The first version of the format.
    registries: Option<First>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Table {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror: Vec<MirrorTable>,
    mirror_by_digest_only: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct MirrorTable {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct First {
    search: List,
    insecure: List,
    block: List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct List {
    registries: Vec<String>,
}

impl Registries {
    /// Reads the files in their order; a later one adds to what the earlier ones say or goes before it. One that is not there says
    /// nothing.
    pub fn read(files: &[PathBuf]) -> Result<Registries, RegistriesError> {
        let mut registries = Registries::default();
        for path in files {
            match std::fs::read_to_string(path) {
                Ok(text) => registries.add(path, &text)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(RegistriesError::Read { path: path.clone(), error }),
            }
        }
        Ok(registries)
    }

    pub(super) fn add(&mut self, path: &Path, text: &str) -> Result<(), RegistriesError> {
        let invalid = |reason: String| RegistriesError::Invalid { path: path.to_owned(), reason };
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            invalid(format!("line {at}: {}", error.message()))
        })?;
        self.path.get_or_insert_with(|| path.to_owned());
        match file.short_name_mode.as_str() {
            "" => {}
            "enforcing" => self.enforcing = true,
            "permissive" | "disabled" => self.enforcing = false,
            other => return Err(invalid(format!("invalid short-name mode {other:?}"))),
        }
        let mut tables = file.registry;
        let mut search = file.unqualified_search_registries;
        if let Some(first) = file.registries {
            if search.is_some() || !tables.is_empty() {
                return Err(invalid("it mixes both versions of the format".to_owned()));
            }
            search = Some(first.search.registries);
            let lists = [(first.insecure, true, false), (first.block, false, true)];
            tables = lists
                .into_iter()
                .flat_map(|(list, insecure, blocked)| {
                    let table = move |location| Table { location, insecure, blocked, ..Table::default() };
                    list.registries.into_iter().map(table)
                })
                .collect();
        }
        if let Some(registries) = search {
            self.search = Some(Search { registries, path: path.to_owned() });
        }
        for table in tables {
            let namespace = namespace(table, path).map_err(invalid)?;
            self.namespaces.retain(|other| other.prefix != namespace.prefix);
            self.namespaces.push(namespace);
        }
        for (short, name) in file.aliases {
            if name.is_empty() {
                self.aliases.remove(&short);
                continue;
            }
            let is_short = Short::parse(&short)
                .is_ok_and(|short| short.registry.is_none() && short.tag.is_none() && short.digest.is_none());
            let is_whole = Short::parse(&name)
                .is_ok_and(|name| name.registry.is_some() && name.tag.is_none() && name.digest.is_none());
            if !is_short || !is_whole {
                return Err(invalid(format!(
                    "invalid alias {short:?}={name:?}: a name without a registry stands for one with, and neither has a tag"
                )));
            }
            self.aliases.insert(short, Alias { name, path: path.to_owned() });
        }
        Ok(())
    }
}

fn namespace(table: Table, path: &Path) -> Result<Namespace, String> {
    let trim = |text: &str| text.trim_end_matches('/').to_owned();
    let (prefix, location) = (trim(&table.prefix), trim(&table.location));
    let prefix = if prefix.is_empty() { location.clone() } else { prefix };
    if prefix.is_empty() {
        return Err("a [[registry]] has neither prefix nor location".to_owned());
    }
    for text in [&table.prefix, &table.location] {
        if text.contains("://") {
            return Err(format!("{text:?} has a scheme: it is a host and a path"));
        }
    }
    let is_wild = prefix.starts_with("*.");
    if location.is_empty() && !is_wild {
        return Err(format!("the [[registry]] of {prefix:?} has no location"));
    }
    if prefix.contains('*') && (!is_wild || prefix[1..].contains(['*', '/', ':', '@'])) {
        return Err(format!("{prefix:?}: a wildcard stands at the beginning of a host alone"));
    }
    let mut mirrors = Vec::new();
    for mirror in table.mirror {
        let location = trim(&mirror.location);
        if location.is_empty() {
            return Err(format!("a mirror of {prefix:?} has no location"));
        }
        let uses = match mirror.pull_from_mirror.as_str() {
            "" if table.mirror_by_digest_only => Uses::Digests,
            "" | "all" => Uses::All,
            "digest-only" => Uses::Digests,
            "tag-only" => Uses::Tags,
            other => {
                return Err(format!("unsupported pull-from-mirror value {other:?} for mirror {location:?}"));
            }
        };
        mirrors.push(Mirror { location, is_insecure: mirror.insecure, uses });
    }
    Ok(Namespace {
        prefix,
        location,
        is_insecure: table.insecure,
        is_blocked: table.blocked,
        mirrors,
        path: path.to_owned(),
    })
}

/// A name that a `location` makes.
impl Reference {
    pub(super) fn parse_as_written(text: &str) -> Result<Reference, crate::image::reference::ReferenceError> {
        // The first component of a location is a host, whatever it looks like.
        match text.split_once('/') {
            Some((host, _)) if !crate::image::reference::is_registry(host) => {
                let mut reference = Reference::parse(&format!("{host}.invalid/{}", &text[host.len() + 1..]))?;
                host.clone_into(&mut reference.registry);
                Ok(reference)
            }
            _ => Reference::parse(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told() {
        for (text, part) in [
            ("[[registry]]\nprefix = \"a\"", "no location"),
            ("[[registry]]\ninsecure = true", "neither prefix nor location"),
            ("[[registry]]\nprefix = \"a.*.io\"\nlocation = \"b\"", "wildcard"),
            ("[[registry]]\nlocation = \"https://a\"", "scheme"),
            ("short-name-mode = \"x\"", "short-name mode"),
            ("[aliases]\n\"a/b\" = \"c\"", "invalid alias"),
            ("\n\nnonsense", "line 3"),
            (
                "unqualified-search-registries = [\"a\"]\n[registries.search]\nregistries = [\"b\"]",
                "both versions",
            ),
        ] {
            let error = Registries::default().add(Path::new("r.conf"), text).unwrap_err().to_string();
            assert!(error.starts_with("r.conf: ") && error.contains(part), "{text}: {error}");
        }
    }
}
