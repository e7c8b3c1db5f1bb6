//! Small files of ketch's own that appear inside: `/etc/hosts`, `/etc/hostname`, `/run/.containerenv` and the like.

use std::borrow::Cow;
use std::path::PathBuf;

use super::{Facts, mounts};
use crate::container::options::{Network, Options};

/// Where `--init`'s program appears: below /run, as podman's does, so that an image's own files are never covered.
pub(super) const INIT: &str = "/run/ketch-init";

/// A file in the container's directory, bound into the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub path: PathBuf,
    pub content: Cow<'static, [u8]>,
    pub mode: u32,
    /// Where the container sees it.
    pub destination: &'static str,
}

/// The files of a container, without those whose place the user's own mounts take.
pub(super) fn list(options: &Options, facts: &Facts<'_>, hostname: &str) -> Vec<File> {
    let file = |name: &str, destination, content: String| File {
        path: facts.dir.join(name),
        content: Cow::Owned(content.into_bytes()),
        mode: 0o644,
        destination,
    };
    let mut files = vec![
        file("hosts", "/etc/hosts", hosts(options, facts, hostname)),
        file("hostname", "/etc/hostname", format!("{hostname}\n")),
        file("containerenv", "/run/.containerenv", container_env(options, facts)),
    ];
    if options.network == Network::Host {
        files.push(file("resolv.conf", "/etc/resolv.conf", facts.host.resolv_conf.clone()));
    }
    if options.init {
        let content = Cow::Borrowed(crate::guest::INIT);
        files.push(File { path: facts.dir.join("init"), content, mode: 0o755, destination: INIT });
    }
    files.retain(|file| {
        !options.mounts.iter().any(|mount| mounts::clean(&mount.destination) == file.destination)
    });
    files
}

/// The host's file; with a network of its own, a line for the container's names on loopback.
fn hosts(options: &Options, facts: &Facts<'_>, hostname: &str) -> String {
    let mut text = facts.host.hosts.clone();
    if options.network == Network::None {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let name = if facts.name == hostname { "" } else { facts.name };
        text.push_str(format!("127.0.0.1\t{hostname} {name}").trim_end());
        text.push('\n');
    }
    text
}

/// Empty but for privileged containers, which podman tells who they are.
fn container_env(options: &Options, facts: &Facts<'_>) -> String {
    if !options.privileged {
        return String::new();
    }
    let Facts { id, name, .. } = facts;
    let rootless = u8::from(facts.host.user_namespace);
    let engine = concat!("ketch-", env!("CARGO_PKG_VERSION"));
    format!("engine=\"{engine}\"\nname=\"{name}\"\nid=\"{id}\"\nimage=\"{}\"\nrootless={rootless}\n", options.image)
}
