//! What is kept of a container between two commands, and how it is doing now.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// `<root>/<id>/state.json`. Written once by `create`; the status is never in it, it is derived
/// from the kernel each time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
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
    pub cgroup: ketch_cgroups::Location,
    /// What `exec` needs of the configuration: namespaces to join, default process, seccomp,
    /// apparmor; and the poststop hooks for `delete`.
    pub config: ExecConfig,
}

/// The part of the configuration that later commands use.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecConfig {
    pub process: Option<crate::spec::Process>,
    pub namespaces: Vec<crate::spec::LinuxNamespace>,
    pub seccomp: Option<crate::spec::LinuxSeccomp>,
    pub hooks: Option<crate::spec::Hooks>,
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
    #[error("container {id:?} does not exist")]
    NotFound { id: String },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is damaged")]
    Parse { path: PathBuf, source: serde_json::Error },
}

impl State {
    /// Reads `<root>/<id>/state.json`.
    pub fn load(_root: &Path, _id: &str) -> Result<State, StateError> {
        todo!()
    }

    /// Asks the kernel: is init alive, is it the same process, is it still waiting for `start`,
    /// is its cgroup frozen?
    pub fn status(&self, _root: &Path) -> Status {
        todo!()
    }
}
