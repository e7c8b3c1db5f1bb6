//! What is kept of a container between two commands, and how it is doing now.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use ketch_cgroups::{Cgroup, Layout, Location};
use nix::unistd::geteuid;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::criu::external::{self, Names};
use crate::plan::Plan;
use crate::spec::{LinuxResources, Spec};
use crate::step::{At, StepError};

/// `<root>/<id>/state.json`. Written by `create` or `restore`, and again by `update`; the status is never in it, it is
/// derived from the kernel each time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State<C = ExecConfig> {
    pub oci_version: String,
    pub id: String,
    /// init, as seen from the runtime's pid namespace.
    pub pid: i32,
    /// Field 22 of `/proc/<pid>/stat`: with the boot id it tells init from a later process of the same number.
    pub start_time: u64,
    pub boot_id: String,
    pub bundle: PathBuf,
    pub rootfs: PathBuf,
    /// RFC 3339, UTC, nanoseconds.
    pub created: String,
    pub owner: u32,
    #[serde(default)]
    pub annotations: HashMap<String, String>,
    /// Where the container's cgroups are: handed back to `ketch_cgroups::open`.
    pub cgroup: Location,
    /// What `exec` needs of the configuration: namespaces to join, default process, seccomp,
    /// apparmor; and the poststop hooks for `delete`.
    pub config: C,
}

/// A state without the configuration, which is most of the file and takes longest to read.
pub type Vitals = State<IgnoredAny>;

/// The part of the configuration that later commands use.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecConfig {
    pub process: Option<crate::spec::Process>,
    pub namespaces: Vec<crate::spec::LinuxNamespace>,
    pub seccomp: Option<crate::spec::LinuxSeccomp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<crate::spec::LinuxPersonality>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<crate::spec::LinuxMemoryPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rdt: Option<crate::rdt::Group>,
    pub hooks: Option<crate::spec::Hooks>,
    /// The limits, as the last `update` left them; without device rules, which no update changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<LinuxResources>,
    /// What a checkpoint leaves out.
    #[serde(default)]
    pub external: Names,
}

/// What a new container's state is made of.
pub(super) struct Birth<'a> {
    pub(super) spec: &'a Spec,
    pub(super) id: &'a str,
    /// init's.
    pub(super) pid: i32,
    /// Absolute.
    pub(super) bundle: &'a Path,
    pub(super) plan: &'a Plan,
    pub(super) layout: &'a Layout,
    pub(super) cgroup: Location,
    pub(super) rdt: Option<crate::rdt::Group>,
}

/// OCI states, and `paused` as every runtime shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

/// Why a container's state cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("container ID {id:?} has an invalid character: letters, digits and _ + - . , are allowed")]
    InvalidId { id: String },
    #[error("container {id:?} does not exist")]
    NotFound { id: String },
    #[error("container {id:?} is being created; `delete --force` removes what a killed create left")]
    Creating { id: String },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot lock {path}")]
    Lock { path: PathBuf, source: std::io::Error },
    #[error("{path} is damaged")]
    Parse { path: PathBuf, source: serde_json::Error },
}

impl State {
    /// The state of a container whose init is there; None if it has ended already.
    pub(super) fn new(birth: Birth<'_>) -> Result<Option<State>, StepError> {
        let Birth { spec, id, pid, bundle, plan, layout, cgroup, rdt } = birth;
        let Some(start_time) = start_time(pid) else { return Ok(None) };
        let linux = spec.linux().as_ref();
        Ok(Some(State {
            oci_version: spec.version().clone(),
            id: id.to_owned(),
            pid,
            start_time,
            boot_id: boot_id().at("read", "/proc/sys/kernel/random/boot_id")?,
            bundle: bundle.to_owned(),
            rootfs: plan.root.path.clone(),
            created: clock::rfc3339(SystemTime::now()),
            owner: geteuid().as_raw(),
            annotations: spec.annotations().clone().unwrap_or_default(),
            cgroup,
            config: ExecConfig {
                process: spec.process().clone(),
                namespaces: linux.and_then(|linux| linux.namespaces().clone()).unwrap_or_default(),
                seccomp: linux.and_then(|linux| linux.seccomp().clone()),
                personality: linux.and_then(|linux| linux.personality().clone()),
                memory_policy: linux.and_then(|linux| linux.memory_policy().clone()),
                rdt,
                hooks: spec.hooks().clone(),
                resources: linux.and_then(|linux| linux.resources().as_ref()).and_then(limits),
                external: external::names(plan, layout),
            },
        }))
    }

    /// Reads `<root>/<id>/state.json`.
    pub fn load(root: &Path, id: &str) -> Result<State, StateError> {
        read(root, id)
    }
}

impl Vitals {
    /// Reads `<root>/<id>/state.json`, for one who only asks how the container is doing.
    pub fn load_vitals(root: &Path, id: &str) -> Result<Vitals, StateError> {
        read(root, id)
    }
}

fn read<C: DeserializeOwned>(root: &Path, id: &str) -> Result<State<C>, StateError> {
    check_id(id)?;
    let path = root.join(id).join(FILE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound && root.join(id).is_dir() => {
            return Err(StateError::Creating { id: id.to_owned() });
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(StateError::NotFound { id: id.to_owned() });
        }
        Err(source) => return Err(StateError::Read { path, source }),
    };
    serde_json::from_slice(&text).map_err(|source| StateError::Parse { path, source })
}

impl<C> State<C> {
    /// Asks the kernel: is init alive, is it the same process, is it still waiting for `start`,
    /// is its cgroup frozen?
    pub fn status(&self, root: &Path) -> Status {
        if !self.is_alive() {
            Status::Stopped
        } else if Cgroup::open(self.cgroup.clone()).is_frozen() {
            Status::Paused
        } else if root.join(&self.id).join(FIFO).exists() {
            Status::Created
        } else {
            Status::Running
        }
    }

    /// Whether init is still there, and is not a later process of the same number.
    pub fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.start_time) && is_this_boot(&self.boot_id)
    }
}

/// What `update` may change of `linux.resources`; None if that is nothing.
fn limits(resources: &LinuxResources) -> Option<LinuxResources> {
    let mut limits = resources.clone();
    limits.set_devices(None);
    (limits != LinuxResources::default()).then_some(limits)
}

/// The state's file in a container's directory.
pub(super) const FILE: &str = "state.json";

/// What a created container's init waits on; `start` removes it.
pub(super) const FIFO: &str = "exec.fifo";

/// Refuses an id that is no plain file name. runc's rule: `^[\w+-\.]+$`, and neither `.` nor `..`.
pub fn check_id(id: &str) -> Result<(), StateError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+,-.".contains(c);
    if id.is_empty() || id == "." || id == ".." || !id.chars().all(allowed) {
        return Err(StateError::InvalidId { id: id.to_owned() });
    }
    Ok(())
}

/// Field 22 of `/proc/<pid>/stat` (proc(5)): clock ticks between boot and the process's start.
/// `None` when there is no such process, or it has ended and only waits to be reaped.
pub fn start_time(pid: i32) -> Option<u64> {
    parse_start_time(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_start_time(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything, parentheses too.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let (state, threads, start_time) = (*fields.first()?, *fields.get(17)?, *fields.get(19)?);
    // A first thread that called exit shows Z as well, while the process lives on in the others.
    let ended = matches!(state, "X" | "x") || (state == "Z" && threads.parse::<u32>().ok()? <= 1);
    if ended { None } else { start_time.parse().ok() }
}

/// Tells one boot of the machine from another (random(4)).
pub fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned())
}

/// Asked for each container of a list, and the same for all of them.
fn is_this_boot(id: &str) -> bool {
    static THIS: OnceLock<Option<String>> = OnceLock::new();
    THIS.get_or_init(|| boot_id().ok()).as_deref() == Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for id in ["a", "web-1", "A_b.c+d,e", "...", ".x", "0"] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in ["", ".", "..", "a/b", "a b", "\u{e9}", "a\n", "a:b", "a@b"] {
            assert!(check_id(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn start_times() {
        let stat = |name: &str, state: &str, threads: u32| {
            format!("7 ({name}) {state} 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 {threads} 0 4711 1234 56")
        };
        for (text, expected) in [
            (stat("sh", "S", 1), Some(4711)),
            (stat("a) R (b", "D", 3), Some(4711)),
            (stat("sh", "Z", 1), None),
            (stat("sh", "Z", 2), Some(4711)),
            (stat("sh", "X", 1), None),
            ("7 (sh) S 1".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(parse_start_time(&text), expected, "{text}");
        }
    }

    #[test]
    fn this_process_lives() {
        assert!(start_time(std::process::id().cast_signed()).is_some());
        assert_eq!(start_time(i32::MAX), None);
    }

    #[test]
    fn an_unfinished_container_is_told_from_a_missing_one() {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(root.path().join("half")).expect("mkdir");
        assert!(matches!(State::load(root.path(), "half"), Err(StateError::Creating { .. })));
        assert!(matches!(State::load(root.path(), "none"), Err(StateError::NotFound { .. })));
        std::fs::write(root.path().join("half").join(FILE), "{").expect("write");
        assert!(matches!(State::load(root.path(), "half"), Err(StateError::Parse { .. })));
    }
}
