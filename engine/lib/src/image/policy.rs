//! Which images may come in: containers-policy.json(5). Signatures are not looked at, so what asks for one is refused.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::reference::Reference;

/// By default, and without a file, everything is accepted.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Option<Rules>,
    path: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    default: Vec<Requirement>,
    #[serde(default)]
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Requirement {
    r#type: String,
}

#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("cannot read {}: {}", path.display(), crate::store::cause(error))]
    Read { path: PathBuf, error: io::Error },
    #[error("invalid policy in {}: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
    /// podman's words, in part.
    #[error("Source image rejected: Running image {image} is rejected by policy ({})", path.display())]
    Rejected { image: String, path: PathBuf },
    #[error(
        "Source image rejected: {} asks for a signature of {image} ({kind}), and ketch checks none: \
         accept it there, or pull it with a tool that does", path.display()
    )]
    Signature { image: String, kind: String, path: PathBuf },
}

impl Policy {
    /// The first of `files` that is there.
    pub fn read(files: &[PathBuf]) -> Result<Policy, PolicyError> {
        for path in files {
            match std::fs::read(path) {
                Ok(bytes) => return Policy::parse(&bytes, path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(PolicyError::Read { path: path.clone(), error }),
            }
        }
        Ok(Policy::default())
    }

    pub fn parse(bytes: &[u8], path: &Path) -> Result<Policy, PolicyError> {
        let invalid = |reason: String| PolicyError::Invalid { path: path.to_owned(), reason };
        let rules: Rules = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        let lists = rules.transports.values().flat_map(BTreeMap::values).chain([&rules.default]);
        if lists.into_iter().any(Vec::is_empty) {
            return Err(invalid("a list of requirements is empty".to_owned()));
        }
        Ok(Policy { rules: Some(rules), path: path.to_owned() })
    }

    /// Whether an image of a registry may come in.
    pub fn admit(&self, reference: &Reference) -> Result<(), PolicyError> {
        self.decide("docker", &scopes(reference), &format!("docker://{reference}"))
    }

    /// The same of one of an archive or directory: `oci`, `docker-archive` and so on.
    pub fn admit_local(&self, transport: &str, path: &Path) -> Result<(), PolicyError> {
        let parents = path.ancestors().map(|parent| parent.to_string_lossy().into_owned());
        self.decide(transport, &parents.collect::<Vec<_>>(), &format!("{transport}:{}", path.display()))
    }

    /// By the first scope that the file knows, the closest first; all of its requirements have to hold.
    fn decide(&self, transport: &str, scopes: &[String], image: &str) -> Result<(), PolicyError> {
        let Some(rules) = &self.rules else { return Ok(()) };
        let of_transport = rules.transports.get(transport);
        let requirements = of_transport
            .and_then(|known| scopes.iter().find_map(|scope| known.get(scope)).or_else(|| known.get("")))
            .unwrap_or(&rules.default);
        for requirement in requirements {
            let (image, path) = (image.to_owned(), self.path.clone());
            match requirement.r#type.as_str() {
                "insecureAcceptAnything" => {}
                "reject" => return Err(PolicyError::Rejected { image, path }),
                kind => return Err(PolicyError::Signature { image, kind: kind.to_owned(), path }),
            }
        }
        Ok(())
    }
}

/// The reference itself, its repository, each namespace above, the host, and the wildcards of its domains.
fn scopes(reference: &Reference) -> Vec<String> {
    let mut scopes = vec![reference.to_string()];
    let name = reference.name();
    let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]).collect::<Vec<_>>();
    scopes.extend(ends.into_iter().rev().map(|end| name[..end].to_owned()));
    let host = reference.registry.split(':').next().unwrap_or_default();
    scopes.extend(host.match_indices('.').map(|(dot, _)| format!("*{}", &host[dot..])));
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_scope() {
        let policy = br#"{
            "default": [{"type": "reject"}],
            "transports": {
                "docker": {
                    "a.io": [{"type": "insecureAcceptAnything"}],
                    "a.io/team/secret": [{"type": "reject"}],
                    "*.b.io": [{"type": "insecureAcceptAnything"}],
                    "c.io/x:1": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}]
                },
                "oci": {"/good": [{"type": "insecureAcceptAnything"}]},
                "dir": {"": [{"type": "insecureAcceptAnything"}]}
            }
        }"#;
        let policy = Policy::parse(policy, Path::new("policy.json")).unwrap();
        for (name, error) in [
            ("a.io/x", None),
            ("a.io/team/other", None),
            ("a.io/team/secret:2", Some("rejected by policy")),
            ("x.y.b.io:5000/z", None),
            ("b.io/z", Some("rejected by policy")),
            ("c.io/x:1", Some("signedBy")),
            ("c.io/x:2", Some("rejected by policy")),
        ] {
            let found = policy.admit(&Reference::parse(name).unwrap()).err().map(|error| error.to_string());
            assert!(
                match (&found, error) {
                    (Some(found), Some(error)) => found.contains(error),
                    (found, error) => found.is_none() && error.is_none(),
                },
                "{name}: {found:?}"
            );
        }
        for (transport, path, is_good) in [
            ("oci", "/good/x", true),
            ("oci", "/bad", false),
            ("dir", "/x", true),
            ("docker-archive", "/good", false),
        ] {
            assert_eq!(policy.admit_local(transport, Path::new(path)).is_ok(), is_good, "{transport}:{path}");
        }
        for bad in ["{}", r#"{"default": []}"#, r#"{"default": [{"type": "reject"}], "more": 1}"#] {
            assert!(Policy::parse(bad.as_bytes(), Path::new("policy.json")).is_err(), "{bad}");
        }
    }
}
