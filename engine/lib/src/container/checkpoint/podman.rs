//! Options from a `config.dump` that podman wrote: as far as its keys say what ketch's options say.

use std::path::PathBuf;

use ketch_runtime::spec::{LinuxNamespaceType, Spec};
use serde::Deserialize;
use serde_json::Value;

use super::dump::Dump;
use crate::container::options::{Mount, MountKind, Namespace, Network, Options};

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
        network: if has(LinuxNamespaceType::Network) { Network::None } else { Network::Host },
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
