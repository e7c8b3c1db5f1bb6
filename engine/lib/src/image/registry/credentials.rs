//! Credentials from docker's `config.json` and containers' `auth.json`, which share one format (containers-auth.json(5)).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::helper::{self, HelperError};

/// User name and password, or a token in the place of both.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
    /// Exchanged for one that is good for a while, where the registry has a service for that.
    pub identity_token: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("cannot read {}: {}", path.display(), crate::store::cause(error))]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: not valid: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
    #[error("{}", path.display())]
    Helper { path: PathBuf, source: HelperError },
}

impl Credentials {
    pub fn new(user: String, password: String) -> Credentials {
        Credentials { user, password, identity_token: None }
    }

    /// The value of an Authorization header (RFC 7617).
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", self.encoded())
    }

    /// As in a file.
    pub(super) fn encoded(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.user, self.password))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials {{ user: {:?}, .. }}", self.user)
    }
}

#[derive(Deserialize, Default)]
struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    /// Helpers of registries.
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    /// The helper of all others, docker's.
    #[serde(default, rename = "credsStore")]
    store: String,
}

#[derive(Deserialize)]
struct Auth {
    /// base64 of `user:password`; empty where a credential helper keeps them.
    #[serde(default)]
    auth: String,
    #[serde(default, rename = "identitytoken")]
    identity_token: String,
}

/// Where a file has a login.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Here(Credentials),
    /// The helper's name, and by which name it knows the registry.
    Helper {
        name: String,
        server: String,
    },
}

/// The first file's entry for `name`, a registry or a repository with its registry; within a file the entry for the longest
/// part of the name.
pub(super) fn find(files: &[PathBuf], name: &str) -> Result<Option<Credentials>, CredentialsError> {
    for path in files {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(CredentialsError::Read { path: path.clone(), error }),
        };
        let found = match look_up(&bytes, path, name)? {
            None => None,
            Some(Entry::Here(found)) => Some(found),
            Some(Entry::Helper { name, server }) => helper::get(&name, &server)
                .map_err(|source| CredentialsError::Helper { path: path.clone(), source })?,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A registry's own helper goes before a login in the file, and this before the helper of all.
fn look_up(bytes: &[u8], path: &Path, name: &str) -> Result<Option<Entry>, CredentialsError> {
    let invalid = |reason: String| CredentialsError::Invalid { path: path.to_owned(), reason };
    let file: AuthFile = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
    if let Some((server, helper)) = closest(file.helpers.iter(), name) {
        return Ok(Some(Entry::Helper { name: helper.clone(), server: server.clone() }));
    }
    let kept = file.auths.iter().filter(|(_, auth)| !auth.auth.is_empty() || !auth.identity_token.is_empty());
    let Some((_, auth)) = closest(kept, name) else {
        let server = match name.split('/').next().unwrap_or(name) {
            "docker.io" => "https://index.docker.io/v1/",
            registry => registry,
        };
        return Ok((!file.store.is_empty())
            .then(|| Entry::Helper { name: file.store.clone(), server: server.to_owned() }));
    };
    let identity_token = Some(auth.identity_token.clone()).filter(|token| !token.is_empty());
    if auth.auth.is_empty() {
        return Ok(Some(Entry::Here(Credentials { identity_token, ..Credentials::default() })));
    }
    let decoded = STANDARD.decode(auth.auth.trim()).map_err(|_| invalid(format!("bad auth for {name}")))?;
    let text = String::from_utf8(decoded).map_err(|_| invalid(format!("bad auth for {name}")))?;
    let (user, password) = text.split_once(':').ok_or_else(|| invalid(format!("bad auth for {name}")))?;
    // Old docker versions padded with NULs.
    let password = password.trim_end_matches('\0');
    let (user, password) = (user.to_owned(), password.to_owned());
    Ok(Some(Entry::Here(Credentials { user, password, identity_token })))
}

/// The entry for the longest part of `name`.
fn closest<'a, T>(
    entries: impl Iterator<Item = (&'a String, &'a T)>,
    name: &str,
) -> Option<(&'a String, &'a T)> {
    let fits = |key: &str| {
        let rest = name.strip_prefix(host_and_path(key));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    entries.filter(|(key, _)| fits(key)).max_by_key(|(key, _)| host_and_path(key).len())
}

/// Keys may be addresses: `https://index.docker.io/v1/` is docker.io's.
fn host_and_path(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    if matches!(key, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::reference::Reference;

    #[test]
    fn finds_the_longest_key() {
        let file = br#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOng="},
            "quay.io": {"auth": "cXVheTp5"},
            "quay.io/team": {"auth": "dGVhbTp6Oncy"},
            "token.io": {"identitytoken": "abc"}
        }, "credHelpers": {"helper.io/team": "own"}, "credsStore": "all"}"#;
        for (name, user, password) in [
            ("debian", "hub", "x"),
            ("quay.io/other/app", "quay", "y"),
            ("quay.io/team/app", "team", "z:w2"),
            ("quay.io/teamwork/app", "quay", "y"),
        ] {
            let reference = Reference::parse(name).expect(name);
            let found = look_up(file, Path::new("auth.json"), &reference.name()).expect(name);
            assert_eq!(found, Some(Entry::Here(Credentials::new(user.into(), password.into()))), "{name}");
        }
        for (name, helper, server) in
            [("helper.io/team/x", "own", "helper.io/team"), ("helper.io/x", "all", "helper.io")]
        {
            let found = look_up(file, Path::new("auth.json"), name).expect("a file");
            assert_eq!(found, Some(Entry::Helper { name: helper.into(), server: server.into() }), "{name}");
        }
        let found = look_up(file, Path::new("auth.json"), "token.io/x").expect("a file");
        let token = Credentials { identity_token: Some("abc".into()), ..Credentials::default() };
        assert_eq!(found, Some(Entry::Here(token)));
    }
}
