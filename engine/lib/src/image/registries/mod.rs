//! Which registries a name stands for and how they are reached, as containers-registries.conf(5) has it.

mod file;
mod short;

use std::path::PathBuf;

pub use file::RegistriesError;
use file::{Mirror, Namespace, Uses};
pub use short::{Candidates, Origin, ShortError};

use super::reference::Reference;

/// What the files say; by default nothing, and then a short name is docker.io's.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    namespaces: Vec<Namespace>,
    /// None: no file says.
    search: Option<Search>,
    aliases: std::collections::BTreeMap<String, Alias>,
    /// Several registries and nobody to ask are an error.
    enforcing: bool,
    /// Of the first file, for errors.
    path: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct Search {
    registries: Vec<String>,
    path: PathBuf,
}

#[derive(Debug, Clone)]
struct Alias {
    /// With its registry, without a tag.
    name: String,
    path: PathBuf,
}

/// Where an image is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) reference: Reference,
    /// Certificates are not checked, and plain HTTP will do.
    pub(crate) is_insecure: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// podman's words.
    #[error("registry {registry} is blocked in {path}")]
    Blocked { registry: String, path: String },
    #[error("{path}: the location {location:?} makes no name of {name}")]
    Location { path: String, location: String, name: String },
}

impl Registries {
    /// For what is sent: under its own name, wherever it is read.
    pub(crate) fn own(&self, reference: &Reference) -> Result<Endpoint, EndpointError> {
        let namespace = self.namespace(reference);
        if let Some(blocked) = namespace.filter(|namespace| namespace.is_blocked) {
            return Err(EndpointError::Blocked {
                registry: reference.registry.clone(),
                path: blocked.path.display().to_string(),
            });
        }
        let is_insecure = namespace.is_some_and(|namespace| namespace.is_insecure);
        Ok(Endpoint { reference: reference.clone(), is_insecure })
    }

    /// For what is read: the mirrors in their order, and the primary location.
    pub(crate) fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, EndpointError> {
        let own = self.own(reference)?;
        let Some(namespace) = self.namespace(reference) else { return Ok(vec![own]) };
        let has_digest = reference.digest.is_some();
        let serves = |mirror: &&Mirror| match mirror.uses {
            Uses::All => true,
            Uses::Digests => has_digest,
            Uses::Tags => !has_digest,
        };
        let mirrors = namespace.mirrors.iter().filter(serves);
        let mut endpoints = mirrors
            .map(|mirror| namespace.at(reference, &mirror.location, mirror.is_insecure))
            .collect::<Result<Vec<_>, _>>()?;
        endpoints.push(namespace.at(reference, &namespace.location, namespace.is_insecure)?);
        Ok(endpoints)
    }

    /// Where names without a registry are looked for; None: no file says.
    pub(crate) fn search(&self) -> Option<&[String]> {
        self.search.as_ref().map(|search| search.registries.as_slice())
    }

    /// The one with the longest prefix of the name.
    fn namespace(&self, reference: &Reference) -> Option<&Namespace> {
        // All but a few hosts have no file that says anything of a registry.
        if self.namespaces.is_empty() {
            return None;
        }
        let name = written(reference);
        let fitting = self.namespaces.iter().filter(|namespace| namespace.covers(&name).is_some());
        fitting.max_by_key(|namespace| namespace.prefix.len())
    }
}

/// With tag and digest, as prefixes may have them.
fn written(reference: &Reference) -> String {
    let mut name = reference.name();
    for (mark, part) in [(':', &reference.tag), ('@', &reference.digest)] {
        if let Some(part) = part {
            name.push(mark);
            name.push_str(part);
        }
    }
    name
}

impl Namespace {
    /// What follows the prefix in `name`, if that is the beginning of it; of a wildcard the whole name.
    fn covers<'a>(&self, name: &'a str) -> Option<&'a str> {
        if let Some(domain) = self.prefix.strip_prefix('*') {
            let host = name.split(['/', '@']).next().unwrap_or(name);
            let host = host.split(':').next().unwrap_or(host);
            return host.ends_with(domain).then_some(name);
        }
        let rest = name.strip_prefix(&self.prefix)?;
        (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(rest)
    }

    fn at(
        &self,
        reference: &Reference,
        location: &str,
        is_insecure: bool,
    ) -> Result<Endpoint, EndpointError> {
        if location.is_empty() || location == self.prefix {
            return Ok(Endpoint { reference: reference.clone(), is_insecure });
        }
        let name = written(reference);
        let rest = match self.prefix.starts_with('*') {
            // A wildcard stands for hosts alone.
            true => &name[reference.registry.len()..],
            false => self.covers(&name).unwrap_or_default(),
        };
        match Reference::parse_as_written(&format!("{location}{rest}")) {
            Ok(reference) => Ok(Endpoint { reference, is_insecure }),
            Err(_) => Err(EndpointError::Location {
                path: self.path.display().to_string(),
                location: location.to_owned(),
                name,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registries(text: &str) -> Registries {
        let mut registries = Registries::default();
        registries.add(std::path::Path::new("r.conf"), text).unwrap();
        registries
    }

    #[test]
    fn locations_and_mirrors() {
        let registries = registries(
            r#"
            [[registry]]
            prefix = "a.io/team"
            location = "in.a.io:5000/b"
            [[registry.mirror]]
            location = "m1.io/x"
            insecure = true
            [[registry.mirror]]
            location = "m2.io"
            pull-from-mirror = "digest-only"
            [[registry]]
            location = "a.io"
            blocked = true
            [[registry]]
            prefix = "*.b.io"
            insecure = true
            "#,
        );
        let all = |name: &str| {
            let endpoints = registries.endpoints(&Reference::parse(name).unwrap());
            endpoints.map(|endpoints| {
                let show = |endpoint: &Endpoint| {
                    let mark = if endpoint.is_insecure { "!" } else { "" };
                    format!("{}{mark}", endpoint.reference)
                };
                endpoints.iter().map(show).collect::<Vec<_>>().join(" ")
            })
        };
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(all("a.io/team/app:1").unwrap(), "m1.io/x/app:1! in.a.io:5000/b/app:1");
        assert_eq!(
            all(&format!("a.io/team/app@{digest}")).unwrap(),
            format!("m1.io/x/app@{digest}! m2.io/app@{digest} in.a.io:5000/b/app@{digest}")
        );
        assert_eq!(all("a.io/teams/app").unwrap_err().to_string(), "registry a.io is blocked in r.conf");
        assert_eq!(all("x.y.b.io:99/app").unwrap(), "x.y.b.io:99/app:latest!");
        assert_eq!(all("b.io/app").unwrap(), "b.io/app:latest");
        assert_eq!(all("busybox").unwrap(), "docker.io/library/busybox:latest");
    }
}
