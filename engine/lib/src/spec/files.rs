//! Small files of ketch's own that appear inside: `/etc/hosts`, `/etc/hostname`, `/run/.containerenv` and the like.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::PathBuf;

use super::{Facts, mounts};
use crate::container::options::{Network, Options};
use crate::network::pasta::NAME_SERVER;

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
    match options.network {
        Network::Host => {
            files.push(file("resolv.conf", "/etc/resolv.conf", facts.host.resolv_conf.clone()));
        }
        Network::Pasta(_) => {
            files.push(file("resolv.conf", "/etc/resolv.conf", forwarded(&facts.host.resolv_conf)));
        }
        _ => {}
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

/// The host's resolv.conf with pasta's forwarder first, and without servers on the host's own loopback.
fn forwarded(of_host: &str) -> String {
    let server =
        |line: &str| line.strip_prefix("nameserver").and_then(|rest| rest.trim().parse::<IpAddr>().ok());
    let mut text = String::new();
    let mut forwarder = Some(NAME_SERVER);
    for line in of_host.lines() {
        if line.starts_with("nameserver")
            && let Some(ip) = forwarder.take()
        {
            text.push_str(&format!("nameserver {ip}\n"));
        }
        if !server(line).is_some_and(|ip| ip.is_loopback()) {
            text.push_str(line);
            text.push('\n');
        }
    }
    if let Some(ip) = forwarder {
        text.push_str(&format!("nameserver {ip}\n"));
    }
    text
}

/// The host's file; with a network of its own, a line for the container's names on loopback.
fn hosts(options: &Options, facts: &Facts<'_>, hostname: &str) -> String {
    let mut text = facts.host.hosts.clone();
    if matches!(options.network, Network::None | Network::Pasta(_)) {
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
    format!(
        "engine=\"{engine}\"\nname=\"{name}\"\nid=\"{id}\"\nimage=\"{}\"\nrootless={rootless}\n",
        options.image
    )
}

#[cfg(test)]
mod tests {
    use super::forwarded;

    #[test]
    fn name_servers() {
        for (of_host, expected) in [
            ("", "nameserver 169.254.1.1\n"),
            ("search a b\noptions edns0\n", "search a b\noptions edns0\nnameserver 169.254.1.1\n"),
            (
                "# x\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch a\n",
                "# x\nnameserver 169.254.1.1\nnameserver 192.0.2.1\nsearch a\n",
            ),
            ("nameserver ::1\n", "nameserver 169.254.1.1\n"),
        ] {
            assert_eq!(forwarded(of_host), expected);
        }
    }
}
