//! What `create` and `run` can be asked for, already parsed: plain data that the database keeps and [`crate::spec`] reads.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod inside;
mod limits;
mod secret;
mod userns;

pub use inside::{Accounts, Cgroups, Defaults, HostsBase, ImageVolumes, Systemd, TimeZone};
pub use limits::{BlockIo, BlockLimit, DeviceRule, Limits, Ulimit};
pub use secret::{Secret, SecretPlace};
pub use userns::{Auto, IdRange, KeepId, Userns, UsernsMode, Wanted, WantedRange};

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
    /// `NAME=VALUE`, env files first; later ones win.
    pub env: Vec<String>,
    pub defaults: Defaults,
    pub workdir: Option<String>,
    pub user: Option<String>,
    /// `--group-add`: names or numbers.
    pub groups: Vec<String>,
    pub hostname: Option<String>,
    /// `--no-hostname`: the image's /etc/hostname stays.
    pub no_hostname: bool,
    pub accounts: Accounts,
    /// `--umask`; None: 022.
    pub umask: Option<u32>,
    /// `--personality`: LINUX or LINUX32 (personality(2)).
    pub personality: Option<String>,
    /// `--sysctl`, by name: of the container's own namespaces.
    pub sysctl: BTreeMap<String, String>,
    pub time_zone: Option<TimeZone>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub terminal: bool,
    pub stdin: bool,
    pub remove: bool,
    /// `--rmi`: its image goes with it, unless others use it.
    pub remove_image: bool,
    /// Seconds that it may run; it is killed then.
    pub timeout: Option<u64>,
    /// `--requires`: full ids, once it is created, of containers that are started before it.
    pub requires: Vec<String>,
    pub init: bool,
    /// A program of the host's in place of ketch's own init.
    pub init_path: Option<PathBuf>,
    pub systemd: Systemd,
    pub read_only: bool,
    /// `--read-only-tmpfs=false`: nothing is writable, /dev and /dev/shm included.
    pub read_only_strict: bool,
    pub privileged: bool,
    pub network: Network,
    /// `-p`: what of the host leads to what inside. Of a pod's infra container: the pod's.
    pub ports: Vec<Port>,
    /// `-P`: every exposed port gets a random one of the host.
    pub publish_all: bool,
    /// `--expose`, and the image's own.
    pub expose: Vec<Exposed>,
    pub dns: Dns,
    pub hosts: Hosts,
    /// Those of pid, ipc, uts and cgroup; the network's is `network`.
    pub namespaces: Namespaces,
    pub userns: Userns,
    /// Full id of the pod that it is a member of.
    pub pod: Option<String>,
    /// The pod's first container, which holds what the members share.
    pub infra: bool,
    /// `--init-ctr`: it runs to its end whenever its pod is started, before the others.
    pub init_container: Option<InitContainer>,
    pub notify: Notify,
    pub restart: RestartPolicy,
    /// As asked for, until the container is created; then with the image's own and the defaults.
    pub health: Option<Health>,
    pub mounts: Vec<Mount>,
    pub image_volumes: ImageVolumes,
    /// `--chrootdirs`: absolute directories inside that get the container's hosts and resolv.conf too.
    pub chroot_dirs: Vec<String>,
    /// `--volumes-from CONTAINER[:ro|rw|z]`, as given; what they lead to is in `mounts` once the container is created.
    pub volumes_from: Vec<String>,
    pub secrets: Vec<Secret>,
    pub devices: Vec<Device>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub security: Security,
    pub limits: Limits,
    /// `--device-cgroup-rule`.
    pub device_rules: Vec<DeviceRule>,
    pub cgroups: Cgroups,
    pub cgroup_parent: Option<String>,
    /// Settled when the container is created: a later `--cgroup-manager` does not move it.
    pub cgroup_manager: CgroupManager,
    pub stop_signal: Option<i32>,
    /// Seconds between the stop signal and SIGKILL; None: 10.
    pub stop_timeout: Option<u64>,
    pub log: Log,
    pub cid_file: Option<PathBuf>,
    /// Where init's pid, and the monitor's, are written at each start.
    pub pid_file: Option<PathBuf>,
    pub monitor_pid_file: Option<PathBuf>,
    /// The command line that asked for all this, for `inspect` and what reads it.
    pub create_command: Vec<String>,
}

/// Who makes the container's cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CgroupManager {
    #[default]
    Cgroupfs,
    Systemd {
        /// An ordinary user's own.
        user: bool,
    },
}

impl CgroupManager {
    /// The name that `--cgroup-manager` and `inspect` have for it.
    pub fn name(self) -> &'static str {
        match self {
            CgroupManager::Cgroupfs => "cgroupfs",
            CgroupManager::Systemd { .. } => "systemd",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rootfs {
    pub path: PathBuf,
    /// `:O`: a throw-away upper over the read-only path.
    pub overlay: bool,
    /// `:idmap`: with the ids of the container's user namespace.
    #[serde(default)]
    pub idmap: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// A network namespace with loopback and nothing else.
    #[default]
    None,
    Host,
    /// An interface in each of these networks, which are bridges of ketch's.
    Bridge(Vec<Endpoint>),
    /// The network namespace of another container, by its full id.
    Container(String),
    /// `ns:PATH`.
    Path(PathBuf),
    /// pasta(1) forwards between the namespace and the host; with these options.
    Pasta(Vec<String>),
}

impl Network {
    /// The mode as `inspect` shows it.
    pub fn name(&self) -> String {
        match self {
            Network::None => "none".to_owned(),
            Network::Host => "host".to_owned(),
            Network::Bridge(_) => "bridge".to_owned(),
            Network::Container(id) => format!("container:{id}"),
            Network::Path(path) => format!("ns:{}", path.display()),
            Network::Pasta(_) => "pasta".to_owned(),
        }
    }
}

impl Network {
    /// Whether it is the mode of this name, or a network of this name is among its own.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Network::Bridge(endpoints) => {
                name == "bridge" || endpoints.iter().any(|endpoint| endpoint.network == name)
            }
            mode => mode.name() == name,
        }
    }
}

/// One interface of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// The network's name.
    pub network: String,
    pub aliases: Vec<String>,
    /// Addresses of choice; None: the next free ones.
    pub ip: Option<Ipv4Addr>,
    pub ip6: Option<Ipv6Addr>,
    /// `02:42:ac:11:00:02`
    pub mac: Option<String>,
    /// Name inside; None: `eth0` and so on.
    pub interface: Option<String>,
}

/// One published port, or a range of as many on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// None: every address of the host.
    pub host_ip: Option<IpAddr>,
    /// None: a random free one.
    pub host_port: Option<u16>,
    pub container_port: u16,
    /// How many, from these two on; at least 1.
    pub count: u16,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposed {
    pub port: u16,
    pub protocol: Protocol,
}

impl Exposed {
    /// `80`, `80/tcp`, `53/udp`: an image's form.
    pub fn parse(text: &str) -> Option<Exposed> {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some(Exposed { port, protocol: Protocol::parse(protocol)? })
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

impl Protocol {
    pub fn parse(name: &str) -> Option<Protocol> {
        match name.to_ascii_lowercase().as_str() {
            "tcp" => Some(Protocol::Tcp),
            "udp" => Some(Protocol::Udp),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// `--dns`, `--dns-search`, `--dns-option`; all empty: the host's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    pub servers: Vec<IpAddr>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hosts {
    /// `--add-host NAME:ADDRESS`, in order.
    pub add: Vec<(String, String)>,
    /// `--no-hosts`: the image's /etc/hosts stays.
    pub none: bool,
    /// `--hosts-file`: whose lines are taken over.
    pub base: HostsBase,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespaces {
    pub pid: Namespace,
    pub ipc: Namespace,
    pub uts: Namespace,
    /// None: its own where the host has cgroup v2, and the host's on v1, as podman.
    pub cgroup: Option<Namespace>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Namespace {
    /// Its own.
    #[default]
    Private,
    Host,
    /// That of another container, by its full id; for a pod's member its infra container.
    Container(String),
    Path(PathBuf),
}

impl Namespace {
    /// The mode as `inspect` shows it; `private` is its word for one of the container's own.
    pub fn name(&self, private: &str) -> String {
        match self {
            Namespace::Private => private.to_owned(),
            Namespace::Host => "host".to_owned(),
            Namespace::Container(id) => format!("container:{id}"),
            Namespace::Path(path) => format!("ns:{}", path.display()),
        }
    }
}

/// `--restart`: whether one that has ended, and not by a command, is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    #[default]
    No,
    Always,
    /// With another exit code than 0; so many times, 0: always.
    OnFailure {
        retries: u32,
    },
    /// The same, but that a boot leaves alone one that was stopped.
    UnlessStopped,
}

impl RestartPolicy {
    /// podman's word for it.
    pub fn name(self) -> &'static str {
        match self {
            RestartPolicy::No => "no",
            RestartPolicy::Always => "always",
            RestartPolicy::OnFailure { .. } => "on-failure",
            RestartPolicy::UnlessStopped => "unless-stopped",
        }
    }
}

/// A command that tells whether the container does its work. Times are in nanoseconds, as an image has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// `CMD` and words, `CMD-SHELL` and a shell's script, or `NONE`.
    pub test: Option<Vec<String>>,
    /// 0: on request alone.
    pub interval: Option<u64>,
    pub timeout: Option<u64>,
    /// Failures before then do not count.
    pub start_period: Option<u64>,
    /// So many failures in a row, and it is unhealthy.
    pub retries: Option<u32>,
    pub on_failure: HealthAction,
    pub startup: Option<Startup>,
    /// How many results are kept; 0: all.
    pub log_count: Option<u32>,
    /// Characters of a result's output that are kept; 0: all.
    pub log_size: Option<u32>,
}

/// What is asked in place of [`Health::test`] until it says yes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Startup {
    pub test: Vec<String>,
    pub interval: Option<u64>,
    pub timeout: Option<u64>,
    /// So many failures, and the container is started anew; 0: never.
    pub retries: u32,
    /// So many times yes, and it is done; 0: one.
    pub successes: u32,
}

/// What is done with a container that is unhealthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthAction {
    #[default]
    None,
    Kill,
    Restart,
    Stop,
}

impl HealthAction {
    pub fn name(self) -> &'static str {
        match self {
            HealthAction::None => "none",
            HealthAction::Kill => "kill",
            HealthAction::Restart => "restart",
            HealthAction::Stop => "stop",
        }
    }
}

/// How often a container runs before those of its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitContainer {
    /// It is removed after that.
    Once,
    Always,
}

/// `--sdnotify`: who tells the service manager that the container is ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// The container does, through a socket of its own.
    #[default]
    Container,
    /// The monitor does, when the container runs.
    Conmon,
    /// The monitor does, when a health check says so for the first time.
    Healthy,
    Ignore,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    pub kind: MountKind,
    /// Absolute path inside.
    pub destination: String,
    /// OCI mount options: `ro`, `rprivate`, `size=64m`, `mode=1777` …
    pub options: Vec<String>,
    /// `U`: the source is given to the container's user, with all that is in it.
    #[serde(default)]
    pub chown: bool,
    /// `nocopy`: a new volume is not filled from the image.
    #[serde(default)]
    pub no_copy: bool,
}

impl Mount {
    /// The volume's name, for one that has it.
    pub fn volume(&self) -> Option<&str> {
        match &self.kind {
            MountKind::Named { name, .. } => Some(name),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// The source must exist, as podman has it: a mistyped path makes no directory.
    Bind {
        source: PathBuf,
    },
    Tmpfs,
    Ramfs,
    /// A volume of no name yet (image VOLUME or `-v /path`).
    Anonymous,
    /// A volume by its name. Anonymous ones get theirs, at random, when the container is created.
    Named {
        name: String,
        anonymous: bool,
    },
}

/// `--device SOURCE[:DESTINATION][:ACCESS]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// A device node, or a directory of them.
    pub source: PathBuf,
    pub destination: PathBuf,
    /// Of `r`, `w` and `m`.
    pub access: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    pub no_new_privileges: bool,
    pub seccomp: Seccomp,
    /// Paths to mask / unmask on top of the defaults; `ALL` in unmask clears them.
    pub mask: Vec<String>,
    pub unmask: Vec<String>,
    /// A loaded profile, or `unconfined`.
    pub apparmor: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// The built-in profile, podman's.
    #[default]
    Default,
    Unconfined,
    /// The text of a profile in docker's format: the file is read once, when the container is created.
    Profile(String),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// None: k8s-file.
    pub driver: Option<String>,
    pub max_size: Option<u64>,
    pub max_files: Option<u32>,
}
