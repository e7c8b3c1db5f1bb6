//! What a container finds inside, and where it is put.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `--cgroups`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroups {
    #[default]
    Enabled,
    /// What `enabled` is here too: the monitor stays in the caller's cgroup.
    NoConmon,
    /// The container stays in the caller's cgroup too.
    Disabled,
}

/// What the environment starts from, before `-e`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Defaults {
    /// `NAME=VALUE`, of the caller's: proxies. The image's own win.
    pub env: Vec<String>,
    /// `--env-merge`: `NAME=TEXT`, in which `$NAME` and `${NAME}` are what the variables are so far.
    pub merge: Vec<String>,
    /// `--unsetenv`: names that neither ketch nor the image sets.
    pub unset: Vec<String>,
    /// `--unsetenv-all`: none of them.
    pub unset_all: bool,
}

/// What is added to the image's `/etc/passwd` and `/etc/group`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    /// `--passwd=false`: nothing.
    pub none: bool,
    /// Lines in place of ketch's own for a user and a group that the image does not know; with `$USERNAME` and the like.
    pub passwd_entry: Option<String>,
    pub group_entry: Option<String>,
    /// `--hostuser`: names or numbers of the host's users.
    pub of_host: Vec<String>,
}

/// `--tz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeZone {
    /// The host's /etc/localtime.
    Local,
    /// `Europe/Berlin`: a file of the host's below /usr/share/zoneinfo.
    Named(String),
}

/// `--systemd`: whether it gets what systemd wants to find when it is pid 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Systemd {
    /// If the command is an init's.
    #[default]
    Auto,
    Never,
    Always,
}

/// `--image-volume`: what an image's volumes become where the user mounts nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageVolumes {
    #[default]
    Anonymous,
    Tmpfs,
    Ignore,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostsBase {
    #[default]
    Host,
    Image,
    None,
    File(PathBuf),
}

impl HostsBase {
    /// What `--hosts-file` has for it; empty for the host's.
    pub fn name(&self) -> String {
        match self {
            HostsBase::Host => String::new(),
            HostsBase::Image => "image".to_owned(),
            HostsBase::None => "none".to_owned(),
            HostsBase::File(path) => path.display().to_string(),
        }
    }
}
