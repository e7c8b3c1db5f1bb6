//! `linux.sysctl`: only what a namespace of the container's own keeps from the host.

use std::collections::HashMap;

use nix::libc;

use super::Invalid;
use super::namespace::Namespaces;

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// Below `/proc/sys`, with slashes.
    pub path: String,
    pub value: String,
}

/// The `kernel.*` parameters that belong to the IPC namespace: ipc_namespaces(7).
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

pub(super) fn plan(
    sysctl: Option<&HashMap<String, String>>,
    namespaces: &Namespaces,
    domainname: Option<&str>,
) -> Result<Vec<Sysctl>, Invalid> {
    let mut plan = Vec::new();
    for (key, value) in sysctl.into_iter().flatten() {
        let path =
            path(key).ok_or_else(|| Invalid::new("linux.sysctl", format!("{key:?} is no parameter")))?;
        check(&path, namespaces).map_err(|reason| Invalid::new("linux.sysctl", format!("{key} {reason}")))?;
        if path == "kernel/domainname" && domainname.is_some_and(|name| name != value) {
            return Err(Invalid::new("linux.sysctl", format!("{key} contradicts the field `domainname`")));
        }
        plan.push(Sysctl { path, value: value.clone() });
    }
    plan.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(plan)
}

/// sysctl(8): the separator is whichever of `.` and `/` comes first; the other is then part of a name, as in
/// `net/ipv4/conf/eth0.1/forwarding` and `net.ipv4.conf.eth0/1.forwarding`.
fn path(key: &str) -> Option<String> {
    let path: String = if key.find(['.', '/']).is_some_and(|i| key.as_bytes()[i] == b'/') {
        key.to_owned()
    } else {
        let swap = |c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        };
        key.chars().map(swap).collect()
    };
    let sound =
        path.split('/').all(|part| !part.is_empty() && part != "." && part != "..") && !path.contains('\0');
    sound.then_some(path)
}

fn check(path: &str, namespaces: &Namespaces) -> Result<(), &'static str> {
    let needs = |flag, reason| if namespaces.separates(flag) { Ok(()) } else { Err(reason) };
    if IPC.contains(&path) || path.starts_with("fs/mqueue/") {
        needs(libc::CLONE_NEWIPC, "cannot be set without an IPC namespace: it would be the host's")
    } else if path.starts_with("net/") {
        needs(libc::CLONE_NEWNET, "cannot be set without a network namespace: it would be the host's")
    } else if path == "kernel/domainname" {
        needs(libc::CLONE_NEWUTS, "cannot be set without a UTS namespace: it would be the host's")
    } else if path == "kernel/hostname" {
        Err("is set by the field `hostname`")
    } else if path.starts_with("user/") {
        needs(libc::CLONE_NEWUSER, "cannot be set without a user namespace: it would be the host's")
    } else {
        Err("is in no namespace: it would be the host's")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (key, expected) in [
            ("net.ipv4.ip_forward", Some("net/ipv4/ip_forward")),
            ("net/ipv4/ip_forward", Some("net/ipv4/ip_forward")),
            ("net/ipv4/conf/eth0.1/forwarding", Some("net/ipv4/conf/eth0.1/forwarding")),
            ("net.ipv4.conf.eth0/1.forwarding", Some("net/ipv4/conf/eth0.1/forwarding")),
            ("net..ipv4", None),
            ("net/../kernel/core_pattern", None),
            ("", None),
            ("/net/ipv4", None),
        ] {
            assert_eq!(path(key).as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn namespaced_only() {
        let none = Namespaces::default();
        let all = Namespaces {
            new: libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS,
            ..Namespaces::default()
        };
        for (path, allowed) in [
            ("net/core/somaxconn", true),
            ("kernel/shmmax", true),
            ("fs/mqueue/msg_max", true),
            ("kernel/domainname", true),
            ("kernel/hostname", false),
            ("kernel/core_pattern", false),
            ("vm/swappiness", false),
            ("user/max_user_namespaces", false),
        ] {
            assert_eq!(check(path, &all).is_ok(), allowed, "{path}");
            assert!(check(path, &none).is_err(), "{path}");
        }
    }
}
