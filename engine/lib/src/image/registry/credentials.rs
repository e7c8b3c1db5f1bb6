//! Credentials from docker's `config.json` and containers' `auth.json`, which share one format (containers-auth.json(5)).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// User name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("cannot read {}: {}", path.display(), crate::store::cause(error))]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: not valid: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
}

impl Credentials {
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
}

#[derive(Deserialize)]
struct Auth {
    /// base64 of `user:password`; empty where a credential helper keeps them.
    #[serde(default)]
    auth: String,
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
        if let Some(found) = look_up(&bytes, path, name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn look_up(bytes: &[u8], path: &Path, name: &str) -> Result<Option<Credentials>, CredentialsError> {
    let invalid = |reason: String| CredentialsError::Invalid { path: path.to_owned(), reason };
    let file: AuthFile = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
    let mut best: Option<(usize, &Auth)> = None;
    for (key, auth) in file.auths.iter().filter(|(_, auth)| !auth.auth.is_empty()) {
        let key = host_and_path(key);
        let fits = name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if fits && best.is_none_or(|(length, _)| key.len() > length) {
            best = Some((key.len(), auth));
        }
    }
    let Some((_, auth)) = best else { return Ok(None) };
    let decoded = STANDARD.decode(auth.auth.trim()).map_err(|_| invalid(format!("bad auth for {name}")))?;
    let text = String::from_utf8(decoded).map_err(|_| invalid(format!("bad auth for {name}")))?;
    let (user, password) = text.split_once(':').ok_or_else(|| invalid(format!("bad auth for {name}")))?;
    // Old docker versions padded with NULs.
    let password = password.trim_end_matches('\0');
    Ok(Some(Credentials { user: user.to_owned(), password: password.to_owned() }))
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
            "helper.io": {}
        }, "credsStore": "x"}"#;
        for (name, user, password) in [
            ("debian", "hub", "x"),
            ("quay.io/other/app", "quay", "y"),
            ("quay.io/team/app", "team", "z:w2"),
            ("quay.io/teamwork/app", "quay", "y"),
        ] {
            let reference = Reference::parse(name).expect(name);
            let found = look_up(file, Path::new("auth.json"), &reference.name()).expect(name);
            assert_eq!(found, Some(Credentials { user: user.into(), password: password.into() }), "{name}");
        }
        let reference = Reference::parse("helper.io/x").expect("a reference");
        assert_eq!(look_up(file, Path::new("auth.json"), &reference.name()).expect("a file"), None);
    }
}
