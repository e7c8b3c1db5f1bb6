use std::path::PathBuf;

use super::seccomp::ProfileError;
use crate::userns::SettleError;

/// Why options and image make no container. Nothing has been done yet.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error("no command or entrypoint provided, and no CMD or ENTRYPOINT from image")]
    NoCommand,
    #[error("unable to find user {0}: no matching entries in passwd file")]
    UnknownUser(String),
    #[error(transparent)]
    Users(#[from] Box<SettleError>),
    #[error("unable to find group {0}: no matching entries in group file")]
    UnknownGroup(String),
    #[error("cannot use {0:?} as a user: uids and gids must be in range 0-2147483647")]
    IdRange(String),
    #[error("{0:?}: unknown capability")]
    UnknownCapability(String),
    #[error("capability {0:?} cannot be dropped and added")]
    AddedAndDropped(String),
    #[error("adding all caps and removing all caps not allowed")]
    AllAddedAndDropped,
    #[error("cannot give the container {0}: ketch does not have this capability itself")]
    CapabilityNotHeld(String),
    #[error("{0}: duplicate mount destination")]
    DuplicateMount(String),
    #[error("workdir {0:?} must be an absolute path")]
    RelativeWorkdir(String),
    #[error("the image declares a volume at {0:?}, which is not an absolute path")]
    RelativeVolume(String),
    #[error("the volume at {0} has no name: the container is of an older ketch, create it anew")]
    Unnamed(String),
    #[error("invalid signal: {0}")]
    Signal(String),
    #[error("the seccomp profile {0}")]
    Seccomp(#[from] ProfileError),
    #[error(
        "cannot raise ulimit {name} to {wanted}: the limit here is {limit}, and ketch has no CAP_SYS_RESOURCE to exceed it"
    )]
    UlimitTooHigh { name: String, wanted: String, limit: u64 },
    #[error("invalid ulimit type: {0}")]
    UnknownUlimit(String),
    #[error("ulimit {0}: the soft limit must not exceed the hard one")]
    SoftAboveHard(String),
    #[error("apparmor profile {0:?} specified, but AppArmor is not enabled on this system")]
    NoAppArmor(String),
    #[error("{what} {path}")]
    Host { what: &'static str, path: PathBuf, source: std::io::Error },
    /// podman's words.
    #[error(
        "unable to replace \"host-gateway\" of host entry \"{0}:host-gateway\": host containers internal IP address is empty"
    )]
    HostGateway(String),
    #[error("{0} is not a device node")]
    NotADevice(PathBuf),
    /// podman's words.
    #[error("failed to inspect '{path}' in {flag}")]
    BlockDevice { flag: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{flag}: {path} is not a block device")]
    NotABlockDevice { flag: &'static str, path: PathBuf },
    #[error("cannot add host user {0}: the host's /etc/passwd does not have it")]
    UnknownHostUser(String),
    /// podman's words.
    #[error("cannot use --cgroup-conf without cgroup v2")]
    NeedsCgroupV2,
    /// podman's words.
    #[error("running container create option: finding timezone: unknown time zone {0}")]
    UnknownTimeZone(String),
    #[error("cannot read the host's {what}")]
    Kernel { what: &'static str, source: nix::errno::Errno },
    #[error("cannot set {flag}: {reason}")]
    NoCgroup { flag: &'static str, reason: String },
    #[error("cannot tell how the host's cgroups are mounted")]
    Cgroups(#[source] ketch_cgroups::Error),
}

impl SpecError {
    /// What `ketch run` exits with: podman looks up users only when it starts the container, which makes it 126.
    pub fn exit_code(&self) -> i32 {
        match self {
            SpecError::UnknownUser(_)
            | SpecError::UnknownGroup(_)
            | SpecError::IdRange(_)
            | SpecError::RelativeWorkdir(_)
            | SpecError::HostGateway(_)
            | SpecError::UlimitTooHigh { .. } => 126,
            _ => 125,
        }
    }
}
