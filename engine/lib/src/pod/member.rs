//! A container becomes a pod's: it joins what the pod shares, unless it asks for its own.

use super::cgroup;
use crate::Engine;
use crate::container::options::{Dns, Hosts, MountKind, Namespace, Network, Options, UsernsMode};
use crate::state::{self, pods::Pod};

/// What the command line asked for by itself, in place of the pod's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own {
    pub network: bool,
    pub pid: bool,
    pub ipc: bool,
    pub uts: bool,
    pub cgroup: bool,
    pub userns: bool,
    pub restart: bool,
}

/// Why a container cannot join a pod as it is. podman's words.
#[derive(Debug, thiserror::Error)]
pub enum MemberRefused {
    #[error(
        "invalid config provided: cannot set hostname when joining the pod UTS namespace: invalid configuration"
    )]
    Hostname,
    #[error(
        "invalid config provided: published or exposed ports must be defined when the pod is created: network cannot be \
         configured when it is shared with a pod"
    )]
    Ports,
    #[error(
        "invalid config provided: extra host entries must be specified on the pod: network cannot be configured when it \
         is shared with a pod"
    )]
    Hosts,
    #[error("invalid config provided: name servers must be specified on the pod, whose network it shares")]
    Dns,
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Makes `options` those of a member.
pub fn join(engine: &Engine, pod: &Pod, options: &mut Options, own: Own) -> Result<(), MemberRefused> {
    options.pod = Some(pod.id.clone());
    if pod.options.share_parent && options.cgroup_parent.is_none() {
        options.cgroup_parent = Some(cgroup::path(pod).display().to_string());
    }
    if !own.restart && !options.remove {
        options.restart = pod.options.restart;
    }
    let infra = engine.db.members(&pod.id)?.into_iter().find(|member| member.options.infra);
    let Some(infra) = infra else { return Ok(()) };
    let shared = pod.options.shared;
    if shared.net && !own.network {
        if !options.ports.is_empty() || options.publish_all || !options.expose.is_empty() {
            return Err(MemberRefused::Ports);
        }
        if options.hosts != Hosts::default() {
            return Err(MemberRefused::Hosts);
        }
        if options.dns != Dns::default() {
            return Err(MemberRefused::Dns);
        }
        options.network = Network::Container(infra.id.clone());
    }
    let of_infra = || Namespace::Container(infra.id.clone());
    let namespaces = &mut options.namespaces;
    if shared.uts && !own.uts {
        if options.hostname.is_some() {
            return Err(MemberRefused::Hostname);
        }
        namespaces.uts = of_infra();
        // Known before the infra container runs: `inspect` shows it.
        options.hostname.clone_from(&infra.options.hostname);
    }
    if shared.ipc && !own.ipc {
        namespaces.ipc = of_infra();
    }
    if shared.pid && !own.pid {
        namespaces.pid = of_infra();
    }
    if shared.cgroup && !own.cgroup {
        namespaces.cgroup = Some(of_infra());
    }
    if infra.options.userns.is_own() && !own.userns {
        options.userns.mode = UsernsMode::Container(infra.id.clone());
    }
    inherit(&infra.options, options);
    Ok(())
}

/// The pod's volumes and devices are its members', but where a member has something else in that place.
fn inherit(infra: &Options, options: &mut Options) {
    for mount in &infra.mounts {
        let taken = options.mounts.iter().any(|own| own.destination == mount.destination);
        // An anonymous one belongs to its container alone.
        let anonymous = matches!(mount.kind, MountKind::Named { anonymous: true, .. } | MountKind::Anonymous);
        if !taken && !anonymous {
            options.mounts.push(mount.clone());
        }
    }
    for device in &infra.devices {
        if !options.devices.iter().any(|own| own.destination == device.destination) {
            options.devices.push(device.clone());
        }
    }
    options.limits.shm_size = options.limits.shm_size.or(infra.limits.shm_size);
    options.limits.shm_size_systemd = options.limits.shm_size_systemd.or(infra.limits.shm_size_systemd);
    options.no_hostname |= infra.no_hostname;
}

#[cfg(test)]
mod tests {
    use ketch_cgroups::systemd::Manager;

    use super::*;
    use crate::container::options::{Namespaces, Port, Protocol};
    use crate::pod::options::{PodOptions, Shared};
    use crate::state::Database;
    use crate::state::containers::Record;

    fn engine(shared: Shared) -> (tempfile::TempDir, Engine, Pod) {
        let root = tempfile::tempdir().unwrap();
        let paths = crate::Paths { root: root.path().into(), run: root.path().join("run") };
        let db = Database::open(&paths.database()).unwrap();
        let options = PodOptions { shared, share_parent: true, ..PodOptions::default() };
        let pod = Pod { id: "p".into(), name: "shop".into(), options, ..Pod::default() };
        let options = Options { pod: Some("p".into()), infra: true, ..Options::default() };
        db.insert_pod(
            &pod,
            Some(&Record { id: "i".into(), name: "infra".into(), options, ..Record::default() }),
        )
        .unwrap();
        (root, Engine { paths, db, cgroup_manager: None, systemd: Manager::system() }, pod)
    }

    #[test]
    fn shares_and_keeps() {
        let (_root, engine, pod) = engine(Shared::parse("+pid").unwrap());
        let of_infra = Namespace::Container("i".into());
        let mut options = Options::default();
        join(&engine, &pod, &mut options, Own { ipc: true, ..Own::default() }).unwrap();
        assert_eq!(options.network, Network::Container("i".into()));
        let expected = Namespaces { pid: of_infra.clone(), uts: of_infra, ..Namespaces::default() };
        assert_eq!(options.namespaces, expected);
        assert_eq!(options.cgroup_parent.as_deref(), Some("/ketch_pod_p"));
    }

    #[test]
    fn what_is_the_pods_to_say() {
        let (_root, engine, pod) = engine(Shared::DEFAULT);
        let port =
            Port { host_ip: None, host_port: None, container_port: 80, count: 1, protocol: Protocol::Tcp };
        let hosts = Hosts { add: vec![("a".into(), "1.2.3.4".into())], ..Hosts::default() };
        for (options, expected) in [
            (Options { hostname: Some("x".into()), ..Options::default() }, "cannot set hostname"),
            (Options { ports: vec![port], ..Options::default() }, "ports must be defined"),
            (Options { hosts, ..Options::default() }, "extra host entries"),
        ] {
            let error = join(&engine, &pod, &mut options.clone(), Own::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            join(&engine, &pod, &mut options.clone(), Own { network: true, uts: true, ..Own::default() })
                .unwrap();
        }
    }
}
