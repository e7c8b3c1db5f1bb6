//! What is kept of a container between two commands, and how it is doing now.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use ketch_cgroups::{Cgroup, Layout, Location};
use ketch_sys::{Errno, file};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::criu::external::{self, Names};
use crate::plan::Plan;
use crate::spec::{LinuxNamespaceType, LinuxResources, Spec};
use crate::step::{At, StepError};

/// `<root>/<id>/state.json`, three JSON documents, a line each: this, the cgroup and the configuration, so that who asks
/// for one need not look at those that follow. Written by `create` or `restore`, and again by `update`; the status is never
/// in it, it is derived from the kernel each time.
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
    /// Of `cgroup`: of many containers no more than this is asked.
    pub(super) cgroup_v2: bool,
    /// Where the container's cgroups are: handed back to `ketch_cgroups::open`.
    #[serde(skip)]
    pub cgroup: Location,
    /// What `exec` needs of the configuration: namespaces to join, default process, seccomp,
    /// apparmor; and the poststop hooks for `delete`.
    #[serde(skip)]
    pub config: C,
}

/// A state without the configuration, which is most of the file and takes longest to read.
pub type Vitals = State<()>;

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

impl ExecConfig {
    /// Whether the container has a namespace of this type that is not the host's, new or joined.
    pub(super) fn separates(&self, of: LinuxNamespaceType) -> bool {
        self.namespaces.iter().any(|namespace| namespace.typ() == of)
    }

    /// Whether it has a new one.
    pub(super) fn creates(&self, of: LinuxNamespaceType) -> bool {
        let is_new = |path: &Option<PathBuf>| path.as_ref().is_none_or(|path| path.as_os_str().is_empty());
        self.namespaces.iter().any(|namespace| namespace.typ() == of && is_new(namespace.path()))
    }
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

impl Status {
    /// As the specification writes it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
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
            cgroup_v2: cgroup.v2,
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
        load(root, id, |text| serde_json::from_slice(text))
    }

    /// What goes into the file.
    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        serde_json::to_writer(&mut text, &self.cgroup)?;
        text.push(b'\n');
        serde_json::to_writer(&mut text, &self.config)?;
        Ok(text)
    }
}

impl Vitals {
    /// Reads `<root>/<id>/state.json`, for one who only asks how the container is doing.
    pub fn load_vitals(root: &Path, id: &str) -> Result<Vitals, StateError> {
        load(root, id, |_| Ok(()))
    }
}

/// `config` reads the last document.
fn load<C: Default>(
    root: &Path,
    id: &str,
    config: impl FnOnce(&[u8]) -> serde_json::Result<C>,
) -> Result<State<C>, StateError> {
    let (mut buffer, path) = (Vec::new(), root.join(id).join(FILE));
    let mut documents = read(root, id, &mut buffer)?.splitn(3, |byte| *byte == b'\n');
    let mut next = || documents.next().unwrap_or_default();
    let state = serde_json::from_slice(next()).and_then(|state: State<C>| {
        Ok(State { cgroup: serde_json::from_slice(next())?, config: config(next())?, ..state })
    });
    state.map_err(|source| StateError::Parse { path, source })
}

/// The text of `<root>/<id>/state.json`. `buffer` is for the file, and can be used again.
pub(super) fn read<'a>(root: &Path, id: &str, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], StateError> {
    check_id(id)?;
    let path = root.join(id).join(FILE);
    match file::read(&path, buffer) {
        Ok(text) => Ok(text),
        Err(Errno::ENOENT) if root.join(id).is_dir() => Err(StateError::Creating { id: id.to_owned() }),
        Err(Errno::ENOENT) => Err(StateError::NotFound { id: id.to_owned() }),
        Err(errno) => Err(StateError::Read { path, source: errno.into() }),
    }
}

impl<C> State<C> {
    /// Asks the kernel: is init alive, is it the same process, is it still waiting for `start`,
    /// is its cgroup frozen?
    pub fn status(&self, root: &Path) -> Status {
        let waits = || root.join(&self.id).join(FIFO).exists();
        status(self.init(), self.cgroup_v2, || Some(self.cgroup.clone()), waits)
    }

    /// Whether init is still there, and is not a later process of the same number.
    pub fn is_alive(&self) -> bool {
        self.init().is_some()
    }

    fn init(&self) -> Option<Stat> {
        init(self.pid, self.start_time, &self.boot_id)
    }
}

/// The status of a container whose init is `init`. `waits` tells whether init waits for `start`.
pub(super) fn status(
    init: Option<Stat>,
    cgroup_v2: bool,
    cgroup: impl FnOnce() -> Option<Location>,
    waits: impl FnOnce() -> bool,
) -> Status {
    let Some(init) = init else { return Status::Stopped };
    // Only v1 shows in a process that it is frozen (Linux 6.1, `__task_state_index`). Of a first thread that has ended
    // nothing is to be seen.
    let may_be_frozen = matches!(init.state, b'D' | b'Z') || cgroup_v2;
    if may_be_frozen && cgroup().is_some_and(|cgroup| Cgroup::open(cgroup).is_frozen()) {
        Status::Paused
    } else if waits() {
        Status::Created
    } else {
        Status::Running
    }
}

/// What is to be seen of a container's init; None if it has ended, whatever has its number now.
pub(super) fn init(pid: i32, start_time: u64, boot_id: &str) -> Option<Stat> {
    stat(pid).filter(|stat| stat.start_time == start_time && is_this_boot(boot_id))
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

/// What `/proc/<pid>/stat` says of a process that has not ended: proc(5).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Field 3, of its first thread.
    state: u8,
    /// Field 22: clock ticks between boot and the process's start.
    start_time: u64,
}

/// When a process was started, in clock ticks since boot. `None` when there is no such process, or it has ended and only
/// waits to be reaped.
pub fn start_time(pid: i32) -> Option<u64> {
    stat(pid).map(|stat| stat.start_time)
}

fn stat(pid: i32) -> Option<Stat> {
    // 52 numbers and a name.
    let mut text = [0; 2048];
    parse_stat(file::read_start(format!("/proc/{pid}/stat").as_str(), &mut text).ok()?)
}

fn parse_stat(stat: &[u8]) -> Option<Stat> {
    // The name in parentheses may hold anything, parentheses and what is no UTF-8 too.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = stat[name_end + 1..].split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let state = *fields.next()?.first()?;
    let number = |field: &[u8]| str::from_utf8(field).ok()?.parse::<u64>().ok();
    let (threads, start_time) = (number(fields.nth(16)?)?, number(fields.nth(1)?)?);
    // A first thread that called exit shows Z as well, while the process lives on in the others.
    let ended = matches!(state, b'X' | b'x') || (state == b'Z' && threads <= 1);
    (!ended).then_some(Stat { state, start_time })
}

/// Tells one boot of the machine from another (random(4)).
pub fn boot_id() -> std::io::Result<String> {
    let mut text = [0; 64];
    let text = file::read_start("/proc/sys/kernel/random/boot_id", &mut text)?;
    Ok(String::from_utf8_lossy(text).trim_end().to_owned())
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
        let stat = |name: &[u8], state: &str, threads: u32| {
            let rest = format!(") {state} 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 {threads} 0 4711 1234 56");
            [b"7 (", name, rest.as_bytes()].concat()
        };
        for (text, expected) in [
            (stat(b"sh", "S", 1), Some(4711)),
            (stat(b"a) R (b", "D", 3), Some(4711)),
            (stat(b"sh", "Z", 1), None),
            (stat(b"sh", "Z", 2), Some(4711)),
            (stat(b"sh", "X", 1), None),
            (stat(b"\xff", "S", 1), Some(4711)),
            (b"7 (sh) S 1".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(parse_stat(&text).map(|stat| stat.start_time), expected, "{}", text.escape_ascii());
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
