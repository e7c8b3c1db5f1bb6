//! What the engine tells a new monitor. JSON over an inherited descriptor; both ends are the same binary.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ketch_cgroups::systemd::Manager;
use ketch_runtime::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::spawn::HandedCounts;

#[derive(Debug, Serialize, Deserialize)]
pub struct Config {
    pub id: String,
    /// Short text for error lines and the process title.
    pub name: String,
    /// These three are for the hooks alone: the image's name, the labels and the full id of the pod that it is in.
    pub image: String,
    pub labels: BTreeMap<String, String>,
    pub pod: Option<String>,
    /// Whether the command that starts it stays attached; for the notes too.
    pub attached: bool,
    /// The container's directory on disk: `exit.json`, the log, resolv.conf and the like.
    pub dir: PathBuf,
    /// The container's directory below /run: `attach` (socket), `lock`. Gone after a reboot.
    pub run_dir: PathBuf,
    /// The runtime's state root.
    pub runtime_root: PathBuf,
    pub spec: Spec,
    /// The systemd that makes the container's cgroup. None: it is made by hand.
    #[serde(default)]
    pub systemd: Option<Manager>,
    /// False: the container stays in the caller's cgroups, for nobody gives it its own.
    pub cgroups: bool,
    /// The file of [`crate::members`], without root.
    pub members: Option<PathBuf>,
    /// The descriptors beside it.
    pub handed: HandedCounts,
    /// Keep stdin open for attached clients (`-i`); otherwise it is /dev/null.
    pub stdin: bool,
    /// `-i` without a later reader: close stdin when the first attached client closes its own.
    pub stdin_once: bool,
    pub log: LogConfig,
    /// Remove the container when it has ended (`--rm`).
    pub remove: bool,
    /// Seconds after which it is killed (`--timeout`).
    #[serde(default)]
    pub timeout: Option<u64>,
    /// Files that init's pid, and the monitor's own, are written to.
    #[serde(default)]
    pub pid_file: Option<PathBuf>,
    #[serde(default)]
    pub monitor_pid_file: Option<PathBuf>,
    /// For the hooks alone: its restart policy is more than "no".
    #[serde(default)]
    pub restarts: bool,
    #[serde(default)]
    pub health: Option<HealthTimer>,
    /// The service manager's socket, for a container that is ready when a health check says so.
    #[serde(default)]
    pub ready: Option<PathBuf>,
    /// Make its processes from the images of a checkpoint.
    #[serde(default)]
    pub restore: Option<Restore>,
    /// Set by the monitor: its container waited for another command to start it.
    #[serde(skip)]
    pub kept: bool,
    /// Set by the monitor, of what it was handed: somebody wants to know what the container has used.
    #[serde(skip)]
    pub account: Option<Account>,
    /// It has addresses or ports, to be given back when it has ended.
    pub gives_back: bool,
    pub forwards: Vec<Forward>,
    /// The service manager's socket (sd_notify(3)): it is told when the container says that it is ready, which it does by
    /// a socket of the monitor's in [`notify::DIRECTORY`](crate::notify::DIRECTORY) of `run_dir`.
    pub notify: Option<PathBuf>,
}

/// When which process of ketch's looks whether the container does its work. In nanoseconds, from the end of one check to the
/// next; 0: no next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthTimer {
    pub interval: u64,
    /// After one that ends with [`STARTING`].
    pub startup_interval: Option<u64>,
    /// This program's words, `argv[0]` first.
    pub words: Vec<String>,
}

/// Exit code of a check that says that the container does its work.
pub const HEALTHY: u8 = 0;
/// Exit code of a check that says that the container's startup check has not passed yet.
pub const STARTING: u8 = 3;

/// Where from and how a container is restored. CRIU's log and statistics go to [`Config::dir`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    pub criu: PathBuf,
    pub images: PathBuf,
    pub tcp_established: bool,
    pub tcp_close: bool,
    pub file_locks: bool,
    /// See `ketch_runtime::criu::network_lock`.
    pub nftables: bool,
}

/// What comes to a socket that is held is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The socket's place among those of [`Handed::held`](crate::spawn::Handed): a TCP one that listens.
    pub held: usize,
    pub to: SocketAddr,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    pub driver: LogDriver,
    pub path: PathBuf,
    /// Bytes at which a file is rotated; None: never.
    pub max_size: Option<u64>,
    /// How many files are kept, the current one included; at least 1.
    pub max_files: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    K8sFile,
    None,
    /// The container's streams are [`Handed::stdio`](crate::spawn::Handed), and nobody copies them.
    Passthrough,
}
