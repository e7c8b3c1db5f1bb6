//! A name without a registry.

use std::path::PathBuf;

use super::Registries;
use crate::image::reference::{Reference, ReferenceError, Short};

/// What a name may stand for, the first to be tried first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    pub names: Vec<Reference>,
    pub origin: Origin,
}

/// Where these come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The name itself.
    Name,
    Alias(PathBuf),
    Search(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShortError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// podman's words.
    #[error(
        "short-name {name:?} did not resolve to an alias and no unqualified-search registries are defined in {path:?}"
    )]
    NoRegistry { name: String, path: String },
    #[error("short-name resolution enforced but cannot prompt without a TTY")]
    Ambiguous,
}

impl Registries {
    /// What `text` stands for. No file at all says as much as docker does: docker.io.
    pub(crate) fn candidates(&self, text: &str) -> Result<Candidates, ShortError> {
        let short = Short::parse(text)?;
        let Some(path) = self.path.as_ref().filter(|_| short.registry.is_none()) else {
            return Ok(Candidates { names: vec![Reference::parse(text)?], origin: Origin::Name });
        };
        let rest = text.strip_prefix(&short.repository).unwrap_or_default();
        if let Some(alias) = self.aliases.get(&short.repository) {
            let name = Reference::parse(&format!("{}{rest}", alias.name))?;
            return Ok(Candidates { names: vec![name], origin: Origin::Alias(alias.path.clone()) });
        }
        let Some(search) = self.search.as_ref().filter(|search| !search.registries.is_empty()) else {
            let (name, path) = (text.to_owned(), path.display().to_string());
            return Err(ShortError::NoRegistry { name, path });
        };
        if self.enforcing && search.registries.len() > 1 {
            return Err(ShortError::Ambiguous);
        }
        let names = search.registries.iter().map(|registry| short.at(registry)).collect();
        Ok(Candidates { names, origin: Origin::Search(search.path.clone()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names() {
        let mut registries = Registries::default();
        let resolve = |registries: &Registries, text: &str| {
            registries
                .candidates(text)
                .map(|found| found.names.iter().map(Reference::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(resolve(&registries, "app").unwrap(), "docker.io/library/app:latest");
        registries.add("r.conf".as_ref(), "[aliases]\napp = \"quay.io/team/app\"").unwrap();
        assert_eq!(resolve(&registries, "app:2").unwrap(), "quay.io/team/app:2");
        assert_eq!(resolve(&registries, "a.io/app").unwrap(), "a.io/app:latest");
        assert!(resolve(&registries, "other").unwrap_err().to_string().ends_with("defined in \"r.conf\""));
        registries
            .add("s.conf".as_ref(), "unqualified-search-registries = [\"a.io\", \"docker.io\"]")
            .unwrap();
        assert_eq!(resolve(&registries, "x/other:1").unwrap(), "a.io/x/other:1 docker.io/x/other:1");
        assert_eq!(
            resolve(&registries, "other").unwrap(),
            "a.io/other:latest docker.io/library/other:latest"
        );
        registries.add("t.conf".as_ref(), "short-name-mode = \"enforcing\"\n[aliases]\napp = \"\"").unwrap();
        assert_eq!(resolve(&registries, "app"), Err(ShortError::Ambiguous));
    }
}
