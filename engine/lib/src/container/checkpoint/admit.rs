//! What an archive may decide about the container that is made from it: nothing of the host.
//!
//! The configuration is built anew from options, as for any container. Those of an archive are looked through first: a host
//! path, a device, a capability beyond the usual ones or a namespace of the host's is the caller's to give, not the archive's.

use crate::container::options::{MountKind, Namespace, Namespaces, Network, Options, Seccomp, Userns};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the archive's container asks for {what}: an archive is not given that unless it is trusted (--trust-archive)"
)]
pub struct AskedError {
    pub what: String,
}

/// Refuses options that reach out of the container, and drops what was the other host's business.
pub(super) fn admit(mut options: Options, trusted: bool) -> Result<Options, AskedError> {
    // A file to write the id to, and the words of another command line.
    options.cid_file = None;
    options.create_command = Vec::new();
    options.volumes_from = Vec::new();
    options.rootfs = None;
    options.pod = None;
    options.infra = false;
    if trusted {
        return Ok(options);
    }
    match asked(&options) {
        None => Ok(options),
        Some(what) => Err(AskedError { what }),
    }
}

/// The first of what is not to be had.
fn asked(options: &Options) -> Option<String> {
    if options.privileged {
        return Some("all privileges".to_owned());
    }
    for mount in &options.mounts {
        if let MountKind::Bind { source } = &mount.kind {
            return Some(format!("{} of this host on {}", source.display(), mount.destination));
        }
        if mount.chown {
            return Some(format!("the files of {} to be given away", mount.destination));
        }
    }
    if let Some(device) = options.devices.first() {
        return Some(format!("the device {}", device.source.display()));
    }
    if let Some(capability) = options.cap_add.first() {
        return Some(format!("the capability {capability}"));
    }
    if options.userns != Userns::default() {
        return Some("ids of this host".to_owned());
    }
    let Namespaces { pid, ipc, uts, cgroup } = &options.namespaces;
    let cgroup = cgroup.as_ref().unwrap_or(&Namespace::Private);
    let namespaces = [("pid", pid), ("ipc", ipc), ("uts", uts), ("cgroup", cgroup)];
    if let Some((name, _)) = namespaces.iter().find(|(_, namespace)| **namespace != Namespace::Private) {
        return Some(format!("a {name} namespace that is not its own"));
    }
    match &options.network {
        Network::None | Network::Bridge(_) => {}
        other => return Some(format!("the network {}", other.name())),
    }
    if options.security.seccomp != Seccomp::Default {
        return Some("another seccomp profile".to_owned());
    }
    if !options.security.unmask.is_empty() {
        return Some("paths to be unmasked".to_owned());
    }
    if options.security.apparmor.is_some() {
        return Some("another AppArmor profile".to_owned());
    }
    if options.cgroup_parent.is_some() {
        return Some("a place among this host's cgroups".to_owned());
    }
    if options.limits.oom_score_adj.is_some_and(|adjustment| adjustment < 0) {
        return Some("protection from the OOM killer".to_owned());
    }
    if options.limits.ulimits_of_host {
        return Some("this host's limits".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::{Device, Mount, Rootfs};

    fn mount(kind: MountKind) -> Mount {
        Mount { kind, destination: "/data".into(), options: Vec::new(), chown: false, no_copy: false }
    }

    #[test]
    fn nothing_of_the_host() {
        type Change = fn(&mut Options);
        let cases: [(&str, Change); 9] = [
            ("/etc of this host on /data", |o| {
                o.mounts = vec![mount(MountKind::Bind { source: "/etc".into() })];
            }),
            ("the device /dev/vda", |o| {
                o.devices = vec![Device {
                    source: "/dev/vda".into(),
                    destination: "/dev/vda".into(),
                    access: "rw".into(),
                }];
            }),
            ("all privileges", |o| o.privileged = true),
            ("the capability SYS_ADMIN", |o| o.cap_add = vec!["SYS_ADMIN".into()]),
            ("a pid namespace", |o| o.namespaces.pid = Namespace::Host),
            ("the network host", |o| o.network = Network::Host),
            ("another seccomp profile", |o| o.security.seccomp = Seccomp::Unconfined),
            ("paths to be unmasked", |o| o.security.unmask = vec!["ALL".into()]),
            ("this host's cgroups", |o| o.cgroup_parent = Some("/".into())),
        ];
        for (words, change) in cases {
            let mut options = Options::default();
            change(&mut options);
            let error = admit(options.clone(), false).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
            assert!(admit(options, true).is_ok(), "{words}");
        }
    }

    #[test]
    fn what_is_its_own_stays() {
        let options = Options {
            env: vec!["A=b".into()],
            mounts: vec![mount(MountKind::Tmpfs)],
            cid_file: Some("/etc/passwd".into()),
            rootfs: Some(Rootfs { path: "/".into(), overlay: false, idmap: false }),
            ..Options::default()
        };
        for trusted in [false, true] {
            let admitted = admit(options.clone(), trusted).expect("nothing of the host");
            assert_eq!((admitted.env, admitted.mounts), (options.env.clone(), options.mounts.clone()));
            assert_eq!((admitted.cid_file, admitted.rootfs), (None, None));
        }
    }
}
