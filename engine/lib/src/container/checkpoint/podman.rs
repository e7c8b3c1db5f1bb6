//! Options from a `config.dump` that podman wrote: as far as its keys say what ketch's options say.

use std::path::PathBuf;

use ketch_runtime::spec::{LinuxNamespaceType, Spec};
use serde::Deserialize;
use serde_json::Value;

use super::dump::Dump;
use crate::container::options::{Endpoint, Mount, MountKind, Namespace, Network, Options, Port, Protocol};
use crate::network;

/// Mounts that either engine makes by itself.
const OWN: [&str; 6] =
    ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv", "/run/secrets", "/dev/shm"];

/// A volume of podman's `namedVolumes`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NamedVolume {
    volume_name: String,
    dest: String,
    options: Vec<String>,
}

/// Of `networks` only the names matter: what the addresses were is told elsewhere.
fn network(whole: &Value, own: bool) -> Network {
    if whole["createNetNS"] != true {
        return if own { Network::None } else { Network::Host };
    }
    let names = whole["networks"].as_object().into_iter().flatten().map(|(name, _)| name);
    let ours = |name: &String| if name == "podman" { network::DEFAULT.to_owned() } else { name.clone() };
    Network::Bridge(names.map(|name| Endpoint { network: ours(name), ..Endpoint::default() }).collect())
}

/// One of podman's `newPortMappings`.
#[derive(Debug, Deserialize)]
struct Mapping {
    #[serde(default)]
    host_ip: String,
    container_port: u16,
    host_port: u16,
    range: u16,
    protocol: String,
}

fn ports(whole: &Value) -> Vec<Port> {
    let mappings: Vec<Mapping> = serde_json::from_value(whole["newPortMappings"].clone()).unwrap_or_default();
    let port = |mapping: Mapping| Port {
        host_ip: mapping.host_ip.parse().ok(),
        host_port: Some(mapping.host_port),
        container_port: mapping.container_port,
        count: mapping.range.max(1),
        protocol: if mapping.protocol == "udp" { Protocol::Udp } else { Protocol::Tcp },
    };
    mappings.into_iter().map(port).collect()
}

/// `whole` is all of the dump, `spec` the configuration beside it. `shm` becomes `/dev/shm`, which podman has outside.
pub(super) fn options(dump: &Dump, whole: &Value, spec: &Spec, shm: PathBuf) -> Options {
    let process = spec.process().as_ref();
    let user = process.map(|process| format!("{}:{}", process.user().uid(), process.user().gid()));
    let namespaces = spec.linux().as_ref().and_then(|linux| linux.namespaces().clone()).unwrap_or_default();
    let has = |kind: LinuxNamespaceType| namespaces.iter().any(|namespace| namespace.typ() == kind);
    let own = |kind| if has(kind) { Namespace::Private } else { Namespace::Host };
    let volumes: Vec<NamedVolume> = serde_json::from_value(whole["namedVolumes"].clone()).unwrap_or_default();

    let mut options = Options {
        image: dump.raw_image_name.clone(),
        entrypoint: dump.entrypoint.clone(),
        command: dump.command.clone().unwrap_or_default(),
        env: process.and_then(|process| process.env().clone()).unwrap_or_default(),
        workdir: process.map(|process| process.cwd().display().to_string()),
        user,
        hostname: spec.hostname().clone(),
        labels: dump.labels.clone().unwrap_or_default(),
        terminal: process.and_then(|process| process.terminal()).unwrap_or(false),
        stdin: dump.stdin,
        privileged: dump.privileged,
        read_only: spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false),
        network: network(whole, has(LinuxNamespaceType::Network)),
        ports: ports(whole),
        stop_signal: Some(dump.stop_signal).filter(|signal| *signal > 0),
        stop_timeout: Some(dump.stop_timeout),
        ..Options::default()
    };
    options.namespaces.pid = own(LinuxNamespaceType::Pid);
    options.namespaces.ipc = own(LinuxNamespaceType::Ipc);
    options.namespaces.uts = own(LinuxNamespaceType::Uts);
    for volume in volumes {
        options.mounts.push(Mount {
            kind: MountKind::Named { name: volume.volume_name, anonymous: false },
            destination: volume.dest,
            options: volume.options,
            chown: false,
            no_copy: false,
        });
    }
    for mount in spec.mounts().iter().flatten() {
        let destination = mount.destination().display().to_string();
        let is_known = OWN.contains(&destination.as_str())
            || options.mounts.iter().any(|known| known.destination == destination);
        if is_known || mount.typ().as_deref() != Some("bind") {
            continue;
        }
        let source = mount.source().clone().unwrap_or_default();
        options.mounts.push(Mount {
            kind: MountKind::Bind { source },
            destination,
            options: mount.options().clone().unwrap_or_default(),
            chown: false,
            no_copy: false,
        });
    }
    options.mounts.push(Mount {
        kind: MountKind::Bind { source: shm },
        destination: "/dev/shm".to_owned(),
        options: ["rw", "nosuid", "nodev", "noexec", "rprivate"].map(str::to_owned).to_vec(),
        chown: false,
        no_copy: false,
    });
    options
}
