//! `clone`: what a copy of a container is asked to be.

use super::options::{Mount, MountKind, Namespace, Network, Options};
use crate::state::containers::Record;

/// All that the container was asked to be, but what can be one's alone: its name, files with ids and pids, and volumes that were
/// made for it.
pub fn options(record: &Record) -> Options {
    let mut options = record.options.clone();
    (options.name, options.cid_file, options.pid_file, options.monitor_pid_file) = (None, None, None, None);
    (options.infra, options.init_container) = (false, record.options.init_container);
    for Mount { kind, .. } in &mut options.mounts {
        if matches!(kind, MountKind::Named { anonymous: true, .. }) {
            *kind = MountKind::Anonymous;
        }
    }
    // What they lead to is among the mounts.
    options.volumes_from = Vec::new();
    options
}

/// Takes the container out of its pod: what it shared there is its own. `network` is in place of the pod's.
pub fn leave_pod(options: &mut Options, network: Network) {
    let Some(_) = options.pod.take() else { return };
    options.cgroup_parent = None;
    if matches!(options.network, Network::Container(_)) {
        options.network = network;
    }
    let namespaces = &mut options.namespaces;
    if matches!(namespaces.uts, Namespace::Container(_)) {
        // The pod's.
        options.hostname = None;
    }
    for namespace in [&mut namespaces.pid, &mut namespaces.ipc, &mut namespaces.uts] {
        if matches!(namespace, Namespace::Container(_)) {
            *namespace = Namespace::Private;
        }
    }
    if matches!(namespaces.cgroup, Some(Namespace::Container(_))) {
        namespaces.cgroup = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::Namespaces;

    #[test]
    fn a_copy_of_its_own() {
        let infra = || Namespace::Container("i".into());
        let named = |anonymous| Mount {
            kind: MountKind::Named { name: "v".into(), anonymous },
            destination: "/v".into(),
            options: Vec::new(),
            chown: false,
            no_copy: false,
        };
        let record = Record {
            options: Options {
                name: Some("web".into()),
                cid_file: Some("/cid".into()),
                pod: Some("p".into()),
                network: Network::Container("i".into()),
                namespaces: Namespaces { uts: infra(), ..Namespaces::default() },
                hostname: Some("pod".into()),
                mounts: vec![named(true), named(false)],
                ..Options::default()
            },
            ..Record::default()
        };
        let mut copy = options(&record);
        assert_eq!((&copy.name, &copy.cid_file), (&None, &None));
        assert_eq!(copy.mounts[0].kind, MountKind::Anonymous);
        assert_eq!(copy.mounts[1], named(false));
        leave_pod(&mut copy, Network::None);
        assert_eq!((&copy.pod, &copy.hostname, &copy.network), (&None, &None, &Network::None));
        assert_eq!(copy.namespaces, Namespaces::default());
    }
}
