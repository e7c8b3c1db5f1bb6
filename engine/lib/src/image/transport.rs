//! Where an image comes from or goes to, as podman writes it: `docker://NAME`, `oci:DIR:NAME` and the like; without a word in
//! front, a registry (containers-transports(5)).

use std::path::PathBuf;

use super::reference::{Reference, ReferenceError, Short};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Registry(Reference),
    Local(LocalPlace),
}

/// A file or directory of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPlace {
    pub kind: LocalKind,
    pub path: PathBuf,
    /// Which image of several, or the name of the one that is written. Of a docker-archive complete.
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalKind {
    /// `oci:`, an image layout.
    OciDir,
    /// `oci-archive:`, one in a tar.
    OciArchive,
    /// `docker-archive:`, what `docker save` writes.
    DockerArchive,
    /// `dir:`, a manifest and blobs.
    DockerDir,
}

impl LocalKind {
    /// As it is written before the colon.
    pub fn name(self) -> &'static str {
        match self {
            LocalKind::OciDir => "oci",
            LocalKind::OciArchive => "oci-archive",
            LocalKind::DockerArchive => "docker-archive",
            LocalKind::DockerDir => "dir",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("{text}: there is no path after {transport}:")]
    NoPath { text: String, transport: String },
    #[error("{text}: dir: is a directory of one image, which has no name")]
    Name { text: String },
    #[error("{text}: {transport}: is not available: {reason}")]
    Unavailable { text: String, transport: String, reason: &'static str },
}

const UNAVAILABLE: [(&str, &str); 5] = [
    ("docker-daemon", "ketch speaks to no daemon; use docker save and docker load with an archive"),
    ("containers-storage", "podman's store is podman's; use an archive between the two"),
    ("ostree", "ketch has no ostree"),
    ("sif", "SIF files are not supported"),
    ("tarball", "use ketch import"),
];

impl Place {
    pub fn parse(text: &str) -> Result<Place, TransportError> {
        let Some((transport, rest)) = text.split_once(':') else {
            return Ok(Place::Registry(Reference::parse(text)?));
        };
        let kind = match transport {
            "docker" if rest.starts_with("//") => return Ok(Place::Registry(Reference::parse(&rest[2..])?)),
            "oci" => LocalKind::OciDir,
            "oci-archive" => LocalKind::OciArchive,
            "docker-archive" => LocalKind::DockerArchive,
            "dir" => LocalKind::DockerDir,
            _ => {
                return match UNAVAILABLE.iter().find(|(name, _)| *name == transport) {
                    Some((_, reason)) => Err(TransportError::Unavailable {
                        text: text.to_owned(),
                        transport: transport.to_owned(),
                        reason,
                    }),
                    None => Ok(Place::Registry(Reference::parse(text)?)),
                };
            }
        };
        let (path, name) = match rest.split_once(':') {
            Some((path, name)) => (path, Some(name).filter(|name| !name.is_empty())),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err(TransportError::NoPath { text: text.to_owned(), transport: transport.to_owned() });
        }
        let name = match (kind, name) {
            (LocalKind::DockerDir, Some(_)) => return Err(TransportError::Name { text: text.to_owned() }),
            // As docker and podman complete it.
            (LocalKind::DockerArchive, Some(name)) => Some(Short::parse(name)?.at("docker.io").to_string()),
            (_, name) => name.map(str::to_owned),
        };
        Ok(Place::Local(LocalPlace { kind, path: path.into(), name }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let local = |kind, path: &str, name: Option<&str>| {
            Ok(Place::Local(LocalPlace { kind, path: path.into(), name: name.map(str::to_owned) }))
        };
        let registry = |text| Ok(Place::Registry(Reference::parse(text).expect("a reference")));
        for (text, expected) in [
            ("docker://a.b/c:1", registry("a.b/c:1")),
            ("debian", registry("debian")),
            ("localhost:5000/x", registry("localhost:5000/x")),
            ("oci:/a/b:x:1", local(LocalKind::OciDir, "/a/b", Some("x:1"))),
            ("oci:/a/b", local(LocalKind::OciDir, "/a/b", None)),
            ("oci-archive:x.tar:", local(LocalKind::OciArchive, "x.tar", None)),
            (
                "docker-archive:x.tar:app",
                local(LocalKind::DockerArchive, "x.tar", Some("docker.io/library/app:latest")),
            ),
            ("dir:/x", local(LocalKind::DockerDir, "/x", None)),
        ] {
            assert_eq!(Place::parse(text), expected, "{text}");
        }
        for text in ["dir:", "dir:a:b", "oci::x", "docker-daemon:x:1", "docker://", "docker-archive:x:A/B C"]
        {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }
}
