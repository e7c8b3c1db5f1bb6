//! `linux.namespaces`: which are new, which are joined, which stay the caller's.

use std::collections::HashMap;
use std::path::PathBuf;

use nix::libc;

use super::Invalid;
use crate::spec::{Linux, LinuxNamespace, LinuxNamespaceType, LinuxTimeOffset};

/// The container's namespaces, by their `CLONE_NEW*` flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// All new ones.
    pub new: libc::c_int,
    pub joined: Vec<Joined>,
    /// `timens_offsets` of a new time namespace: time_namespaces(7).
    pub time_offsets: Vec<String>,
}

/// A namespace that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub flag: libc::c_int,
    pub name: &'static str,
    pub path: PathBuf,
}

impl Namespaces {
    /// Whether the container has a namespace of this kind that the configuration names, new or joined.
    pub fn separates(&self, flag: libc::c_int) -> bool {
        self.creates(flag) || self.joins(flag)
    }

    pub fn creates(&self, flag: libc::c_int) -> bool {
        self.new & flag != 0
    }

    pub fn joins(&self, flag: libc::c_int) -> bool {
        self.joined.iter().any(|ns| ns.flag == flag)
    }
}

pub(super) fn plan(linux: &Linux) -> Result<Namespaces, Invalid> {
    let mut namespaces = of_list(linux.namespaces().as_deref().unwrap_or_default())?;
    if !namespaces.separates(libc::CLONE_NEWNS) && namespaces.separates(libc::CLONE_NEWUSER) {
        let reason =
            "has a user namespace and no mount namespace: it has no right to mount anything among the host's";
        return Err(Invalid::new(FIELD, reason));
    }
    namespaces.time_offsets = time_offsets(linux.time_offsets().as_ref(), &namespaces)?;
    Ok(namespaces)
}

const FIELD: &str = "linux.namespaces";

/// The list alone, as it is kept in a container's state.
pub(crate) fn of_list(list: &[LinuxNamespace]) -> Result<Namespaces, Invalid> {
    let field = FIELD;
    let mut namespaces = Namespaces::default();
    for namespace in list {
        let (flag, name) = kind(namespace.typ());
        if namespaces.separates(flag) {
            return Err(Invalid::new(field, format!("{name} is there twice")));
        }
        match namespace.path().clone().filter(|path| !path.as_os_str().is_empty()) {
            None => namespaces.new |= flag,
            Some(path) if path.is_absolute() => namespaces.joined.push(Joined { flag, name, path }),
            Some(path) => {
                return Err(Invalid::new(
                    field,
                    format!("{:?} is not an absolute path", path.display().to_string()),
                ));
            }
        }
    }
    Ok(namespaces)
}

pub(crate) fn kind(kind: LinuxNamespaceType) -> (libc::c_int, &'static str) {
    match kind {
        LinuxNamespaceType::Mount => (libc::CLONE_NEWNS, "mount"),
        LinuxNamespaceType::Cgroup => (libc::CLONE_NEWCGROUP, "cgroup"),
        LinuxNamespaceType::Uts => (libc::CLONE_NEWUTS, "uts"),
        LinuxNamespaceType::Ipc => (libc::CLONE_NEWIPC, "ipc"),
        LinuxNamespaceType::User => (libc::CLONE_NEWUSER, "user"),
        LinuxNamespaceType::Pid => (libc::CLONE_NEWPID, "pid"),
        LinuxNamespaceType::Network => (libc::CLONE_NEWNET, "network"),
        LinuxNamespaceType::Time => (libc::CLONE_NEWTIME, "time"),
    }
}

fn time_offsets(
    offsets: Option<&HashMap<String, LinuxTimeOffset>>,
    namespaces: &Namespaces,
) -> Result<Vec<String>, Invalid> {
    let field = "linux.timeOffsets";
    let Some(offsets) = offsets.filter(|offsets| !offsets.is_empty()) else { return Ok(Vec::new()) };
    if !namespaces.creates(libc::CLONE_NEWTIME) {
        return Err(Invalid::new(field, "cannot be set without a new time namespace"));
    }
    let mut lines = Vec::new();
    for (clock, offset) in offsets {
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            return Err(Invalid::new(field, format!("{clock:?} is no clock with an offset")));
        }
        lines.push(format!("{clock} {} {}\n", offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0)));
    }
    lines.sort();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(namespaces: &str) -> Result<Namespaces, Invalid> {
        let linux = format!("{{\"namespaces\": {namespaces}}}");
        plan(&serde_json::from_str(&linux).expect("valid JSON"))
    }

    #[test]
    fn new_and_joined() {
        let plan = read(r#"[{"type": "mount"}, {"type": "pid", "path": ""}, {"type": "network", "path": "/run/netns/a"}]"#)
            .expect("valid");
        assert_eq!(plan.new, libc::CLONE_NEWNS | libc::CLONE_NEWPID);
        assert!(plan.joins(libc::CLONE_NEWNET) && plan.separates(libc::CLONE_NEWNET));
        assert!(!plan.separates(libc::CLONE_NEWUSER));
    }

    #[test]
    fn refused() {
        for (namespaces, reason) in [
            (r#"[{"type": "user"}, {"type": "pid"}]"#, "no mount namespace"),
            (r#"[{"type": "mount"}, {"type": "mount", "path": "/x"}]"#, "mount is there twice"),
            (r#"[{"type": "mount"}, {"type": "pid", "path": "proc/1/ns/pid"}]"#, "not an absolute path"),
        ] {
            let error = read(namespaces).expect_err(namespaces).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
