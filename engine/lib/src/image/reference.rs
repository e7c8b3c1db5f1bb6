//! Image references: `[registry/]repository[:tag][@digest]`.
//!
//! The grammar is the distribution spec's ("Pulling manifests"), with the habits around it: `docker.io` when no
//! registry is named, `library/` in front of its one-word repositories, `latest` when there is neither tag nor digest.

use std::fmt;

/// A complete reference: what it leaves out has been filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `docker.io`, `localhost`, `127.0.0.1:5000` …
    pub registry: String,
    /// `library/debian`
    pub repository: String,
    pub tag: Option<String>,
    /// `sha256:…`
    pub digest: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid reference format: {text:?}: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

impl Reference {
    /// Parses and completes: `busybox` is `docker.io/library/busybox:latest`.
    pub fn parse(text: &str) -> Result<Reference, ReferenceError> {
        let short = Short::parse(text)?;
        let registry = short.registry.unwrap_or_else(|| "docker.io".to_owned());
        let complete = Reference::complete(registry, short.repository, short.tag, short.digest);
        // `library/` makes it longer.
        match repository_fault(&complete.repository) {
            None => Ok(complete),
            Some(reason) => Err(ReferenceError { text: text.to_owned(), reason }),
        }
    }

    fn complete(
        registry: String,
        mut repository: String,
        tag: Option<String>,
        digest: Option<String>,
    ) -> Reference {
        let registry = if registry == "index.docker.io" { "docker.io".to_owned() } else { registry };
        if registry == "docker.io" && !repository.contains('/') {
            repository.insert_str(0, "library/");
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Reference { registry, repository, tag, digest }
    }

    /// Registry and repository.
    pub fn name(&self) -> String {
        match self.repository.as_str() {
            "" => self.registry.clone(),
            repository => format!("{}/{repository}", self.registry),
        }
    }

    /// What stands behind the repository in a registry's address: the digest, or else the tag.
    pub fn selector(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match (&self.digest, &self.tag) {
            (Some(digest), _) => write!(f, "@{digest}"),
            (None, Some(tag)) => write!(f, ":{tag}"),
            (None, None) => Ok(()),
        }
    }
}

/// A reference as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) registry: Option<String>,
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

impl Short {
    pub(crate) fn parse(text: &str) -> Result<Short, ReferenceError> {
        let fail = |reason| ReferenceError { text: text.to_owned(), reason };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(fail("the digest is not sha256: and 64 hex digits"));
        }
        // A colon before a slash is a port's.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(fail(
                "a tag is up to 128 letters, digits, '_', '.', '-' and starts with none of the last two",
            ));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (Some(first), rest),
            _ => (None, name),
        };
        if let Some(reason) = repository_fault(repository) {
            return Err(fail(reason));
        }
        if registry.is_none() && tag.is_none() && is_hex(repository, 64) {
            return Err(fail("64 hex digits are an id, not a name"));
        }
        if registry.is_some_and(|registry| !is_host(registry)) {
            return Err(fail("the registry is not a host name with or without a port"));
        }
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok(Short {
            registry: owned(registry),
            repository: repository.to_owned(),
            tag: owned(tag),
            digest: owned(digest),
        })
    }

    /// Completed with a registry in the place of a missing one.
    pub(crate) fn at(&self, registry: &str) -> Reference {
        let registry = self.registry.clone().unwrap_or_else(|| registry.to_owned());
        Reference::complete(registry, self.repository.clone(), self.tag.clone(), self.digest.clone())
    }
}

/// Registry and repository of a complete reference.
pub fn repository_of(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| is_hex(hex, 64))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && word(tag.as_bytes()[0])
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// Whether the first component names a registry and not a part of a repository.
pub(super) fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(registry: &str) -> bool {
    let (host, port) = match registry.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => ("", port),
            _ => return false,
        },
        None => match registry.find(':') {
            Some(colon) => registry.split_at(colon),
            None => (registry, ""),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // parse() would take a sign.
    let is_number =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let port_is_good = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
    port_is_good && (registry.starts_with('[') || host.split('.').all(label))
}

fn repository_fault(repository: &str) -> Option<&'static str> {
    if repository.is_empty() {
        return Some("there is no repository name");
    }
    if repository.len() > 255 {
        return Some("the repository name is longer than 255 characters");
    }
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("repository name must be lowercase");
    }
    (!repository.split('/').all(is_component)).then_some(
        "a repository name is made of lowercase letters, digits and single separators between them",
    )
}

/// Letters and digits, parted by `.`, `_`, `__` or any number of `-`.
fn is_component(component: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separators = component.split(letter).filter(|separator| !separator.is_empty());
    component.starts_with(letter)
        && component.ends_with(letter)
        && separators.all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn completes() {
        let pinned = format!("a.b/c@{DIGEST}");
        let tagged_and_pinned = format!("debian:12@{DIGEST}");
        let library_pinned = format!("docker.io/library/debian@{DIGEST}");
        for (text, complete) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("docker.io/busybox", "docker.io/library/busybox:latest"),
            ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
            ("user/app", "docker.io/user/app:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x:y", "localhost:5000/x:y"),
            ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("UPPER/x", "UPPER/x:latest"),
            ("quay.io/a__b/c--d.e_f:V1.0-x", "quay.io/a__b/c--d.e_f:V1.0-x"),
            (pinned.as_str(), pinned.as_str()),
            (tagged_and_pinned.as_str(), library_pinned.as_str()),
        ] {
            assert_eq!(
                Reference::parse(text).map(|reference| reference.to_string()),
                Ok(complete.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses() {
        let id = "a".repeat(64);
        let long = "a/".repeat(128) + "a";
        let long_with_library = "a".repeat(248);
        for text in [
            "",
            ":",
            "/",
            "a//b",
            "a/",
            "/a",
            "Busybox",
            "a:",
            "a:-x",
            "a:.x",
            "a:x y",
            "a@sha256:12",
            "a@b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a b",
            "x.y:port/a",
            "x.y:99999/a",
            "x.y:+5/a",
            "-x.y/a",
            "[::g]/a",
            "a:b:c",
            "http://a/b",
            "../a",
            "a/../b",
            &id,
            &long,
            &long_with_library,
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?} passed");
        }
    }
}
