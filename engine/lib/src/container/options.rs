//! What `create` and `run` can be asked for, already parsed: plain data that the database keeps and [`crate::spec`] reads.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    pub name: Option<String>,
    /// Image reference, or, with `rootfs`, unused.
    pub image: String,
    /// `--rootfs PATH[:O]`.
    pub rootfs: Option<Rootfs>,
    /// Command after the image name; empty: the image's Cmd.
    pub command: Vec<String>,
    /// None: the image's; Some(empty): cleared with `--entrypoint ""`.
    pub entrypoint: Option<Vec<String>>,
    pub env: Vec<String>,
    pub workdir: Option<String>,
    pub user: Option<String>,
    pub hostname: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub terminal: bool,
    pub stdin: bool,
    pub remove: bool,
    pub init: bool,
    pub read_only: bool,
    pub privileged: bool,
    pub network: Network,
    pub mounts: Vec<Mount>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub security: Security,
    pub limits: Limits,
    pub cgroup_parent: Option<String>,
    pub stop_signal: Option<i32>,
    /// Seconds between the stop signal and SIGKILL; None: 10.
    pub stop_timeout: Option<u64>,
    pub log: Log,
    pub cid_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rootfs {
    pub path: PathBuf,
    /// `:O`: a throw-away upper over the read-only path.
    pub overlay: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// A network namespace with loopback and nothing else.
    #[default]
    None,
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    pub kind: MountKind,
    /// Absolute path inside.
    pub destination: String,
    /// OCI mount options: `ro`, `rprivate`, `size=64m`, `mode=1777` …
    pub options: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// `create`: `-v` makes a missing source directory.
    Bind {
        source: PathBuf,
        create: bool,
    },
    Tmpfs,
    /// An anonymous volume (image VOLUME or `-v /path`): a directory of the container's own, filled from the image.
    Anonymous,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    pub no_new_privileges: bool,
    pub seccomp: Seccomp,
    /// Paths to mask / unmask on top of the defaults; `ALL` in unmask clears them.
    pub mask: Vec<String>,
    pub unmask: Vec<String>,
    pub apparmor: Option<String>,
    pub label: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// The built-in profile, podman's.
    #[default]
    Default,
    Unconfined,
    /// A profile file in docker's format, read when the container is created.
    Profile(String),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<i64>,
    pub memory_swap: Option<i64>,
    pub memory_reservation: Option<i64>,
    /// CPUs, e.g. 1.5.
    pub cpus: Option<f64>,
    pub cpu_shares: Option<u64>,
    pub cpuset_cpus: Option<String>,
    /// None: 2048, podman's default; Some(-1): no limit.
    pub pids: Option<i64>,
    /// Bytes of /dev/shm; None: 64 MiB.
    pub shm_size: Option<i64>,
    pub ulimits: Vec<Ulimit>,
    pub oom_score_adj: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// `nofile`
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// None: k8s-file.
    pub driver: Option<String>,
    pub max_size: Option<u64>,
    pub max_files: Option<u32>,
    pub tag: Option<String>,
}
