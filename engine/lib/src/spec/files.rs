//! Small files of ketch's own that appear inside: `/etc/hosts`, `/etc/hostname`, `/run/.containerenv` and the like.

use std::borrow::Cow;
use std::path::PathBuf;

use super::{Facts, SpecError, hosts, mounts, resolv};
use crate::container::options::Options;

/// Where `--init`'s program appears: below /run, as podman's does, so that an image's own files are never covered.
pub(super) const INIT: &str = "/run/ketch-init";

/// A file in the container's directory, bound into the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub path: PathBuf,
    /// None: it is there, and somebody else's to write.
    pub content: Option<Cow<'static, [u8]>>,
    pub mode: u32,
    /// Where the container sees it.
    pub destination: &'static str,
}

/// The files of a container, without those whose place the user's own mounts take.
pub(super) fn list(options: &Options, facts: &Facts<'_>, hostname: &str) -> Result<Vec<File>, SpecError> {
    let file = |name: &str, destination, content: String| File {
        path: facts.dir.join(name),
        content: Some(Cow::Owned(content.into_bytes())),
        mode: 0o644,
        destination,
    };
    let mut files = vec![
        file("hostname", "/etc/hostname", format!("{hostname}\n")),
        file("containerenv", "/run/.containerenv", container_env(options, facts)),
    ];
    if options.no_hostname {
        files.remove(0);
    }
    if !facts.host.time_zone.is_empty() {
        let content = Some(Cow::Owned(facts.host.time_zone.clone()));
        files.push(File {
            path: facts.dir.join("localtime"),
            content,
            mode: 0o644,
            destination: "/etc/localtime",
        });
    }
    if let Some(shared) = &facts.network.shared {
        let file = |path: &Option<PathBuf>, destination| {
            Some(File { path: path.clone()?, content: None, mode: 0o644, destination })
        };
        files.extend(file(&shared.hosts, "/etc/hosts"));
        files.extend(file(&shared.resolv_conf, "/etc/resolv.conf"));
    } else {
        if !options.hosts.none {
            files.push(file("hosts", "/etc/hosts", hosts::text(options, facts, hostname)?));
        }
        if let Some(text) = resolv::text(options, &facts.host.resolv_conf) {
            files.push(file("resolv.conf", "/etc/resolv.conf", text));
        }
    }
    if options.init {
        let own = || (facts.dir.join("init"), Some(Cow::Borrowed(crate::guest::INIT)));
        let (path, content) = options.init_path.clone().map_or_else(own, |path| (path, None));
        files.push(File { path, content, mode: 0o755, destination: INIT });
    }
    files.retain(|file| {
        !options.mounts.iter().any(|mount| mounts::clean(&mount.destination) == file.destination)
    });
    Ok(files)
}

/// Empty but for privileged containers, which podman tells who they are.
fn container_env(options: &Options, facts: &Facts<'_>) -> String {
    if !options.privileged {
        return String::new();
    }
    let Facts { id, name, .. } = facts;
    let rootless = u8::from(facts.host.user_namespace);
    let engine = concat!("ketch-", env!("CARGO_PKG_VERSION"));
    format!(
        "engine=\"{engine}\"\nname=\"{name}\"\nid=\"{id}\"\nimage=\"{}\"\nrootless={rootless}\n",
        options.image
    )
}
