//! What `pod create` can be asked for: plain data that the database keeps. What the infra container gets of it is in
//! that container's own options.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::options::{CgroupManager, Limits, RestartPolicy};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodOptions {
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub hostname: Option<String>,
    pub shared: Shared,
    /// The members' cgroups are below the pod's.
    pub share_parent: bool,
    /// Who makes the members' cgroups, and the pod's own.
    pub cgroup_manager: CgroupManager,
    /// Where the pod's own cgroup is.
    pub cgroup_parent: Option<String>,
    /// Of all members together: what a cgroup can limit.
    pub limits: Limits,
    pub exit_policy: ExitPolicy,
    /// Of the members that have none of their own.
    pub restart: RestartPolicy,
    pub create_command: Vec<String>,
}

/// The namespaces that members share by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shared {
    pub cgroup: bool,
    pub ipc: bool,
    pub net: bool,
    pub pid: bool,
    pub uts: bool,
}

/// podman's words.
#[derive(Debug, thiserror::Error)]
#[error("invalid kernel namespace to share: {0}. Options are: cgroup, ipc, net, pid, uts or none")]
pub struct UnknownShare(String);

impl Shared {
    /// podman's default.
    pub const DEFAULT: Shared = Shared { cgroup: false, ipc: true, net: true, pid: false, uts: true };

    /// `ipc,net`; `none`; or, with a `+` in front, more than the default.
    pub fn parse(text: &str) -> Result<Shared, UnknownShare> {
        let (mut shared, list) = match text.strip_prefix('+') {
            Some(list) => (Shared::DEFAULT, list),
            None => (Shared::default(), text),
        };
        if matches!(list, "" | "none") {
            return Ok(shared);
        }
        for name in list.split(',') {
            *match name {
                "cgroup" => &mut shared.cgroup,
                "ipc" => &mut shared.ipc,
                "net" => &mut shared.net,
                "pid" => &mut shared.pid,
                "uts" => &mut shared.uts,
                _ => return Err(UnknownShare(name.to_owned())),
            } = true;
        }
        Ok(shared)
    }

    /// Their names, in podman's order.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (self.cgroup, "cgroup"),
            (self.ipc, "ipc"),
            (self.net, "net"),
            (self.pid, "pid"),
            (self.uts, "uts"),
        ];
        all.into_iter().filter_map(|(shared, name)| shared.then_some(name)).collect()
    }
}

/// What happens to the infra container when the last other one has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExitPolicy {
    /// It goes on.
    #[default]
    Continue,
    /// It is stopped.
    Stop,
}

impl ExitPolicy {
    pub fn name(self) -> &'static str {
        match self {
            ExitPolicy::Continue => "continue",
            ExitPolicy::Stop => "stop",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;

    #[test]
    fn shares() {
        for (text, expected) in [
            ("none", Ok("")),
            ("", Ok("")),
            ("net", Ok("net")),
            ("uts,ipc", Ok("ipc,uts")),
            ("+pid", Ok("ipc,net,pid,uts")),
            ("net,foo", Err("foo")),
            ("net,none", Err("none")),
        ] {
            match (Shared::parse(text), expected) {
                (Ok(shared), Ok(names)) => assert_eq!(shared.names().join(","), names, "{text}"),
                (Err(error), Err(name)) => assert!(error.to_string().contains(&format!("share: {name}."))),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
