//! Whose ids the container's are: user_namespaces(7).

use std::path::PathBuf;

use ketch_runtime::plan::ids::{Maps, Range};
use serde::{Deserialize, Serialize};

/// The container's user namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Userns {
    pub mode: UsernsMode,
    /// Settled when the container is created; empty for one that has no user namespace of its own.
    pub uids: Vec<IdRange>,
    pub gids: Vec<IdRange>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UsernsMode {
    /// ketch's own.
    #[default]
    Host,
    /// `--uidmap` and the like.
    Mapped(Wanted),
    /// A range that no other container has.
    Auto(Auto),
    /// Whoever runs ketch is the same one inside.
    KeepId(KeepId),
    /// Whoever runs ketch is nobody inside.
    NoMap,
    /// That of another container, by its full id.
    Container(String),
    Path(PathBuf),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// One of both may be empty, and is as the other one then.
    pub uids: Vec<WantedRange>,
    pub gids: Vec<WantedRange>,
    /// Whose ranges of /etc/subuid and /etc/subgid to take from 0 on, where no ranges are given.
    pub subuid: Option<String>,
    pub subgid: Option<String>,
}

/// `[+]CONTAINER:[@]FROM[:SIZE]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedRange {
    pub container: u32,
    /// An id of ketch's own user namespace, or with `@` of the host.
    pub from: u32,
    pub size: u32,
    pub of_host: bool,
    /// `+`: what else the container would have without any ranges it has too.
    pub extends: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Auto {
    /// None: as many ids as the image and the user need.
    pub size: Option<u32>,
    pub uids: Vec<WantedRange>,
    pub gids: Vec<WantedRange>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeepId {
    /// Who that is inside.
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u32>,
}

/// `size` ids from `container` on are those from `host` on, of ketch's own user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    pub container: u32,
    pub host: u32,
    pub size: u32,
}

impl IdRange {
    fn range(self) -> Range {
        Range { container: self.container, host: self.host, size: self.size }
    }
}

impl From<Range> for IdRange {
    fn from(range: Range) -> IdRange {
        IdRange { container: range.container, host: range.host, size: range.size }
    }
}

impl Userns {
    /// Whether the container is in another user namespace than ketch.
    pub fn is_own(&self) -> bool {
        !self.uids.is_empty()
    }

    pub fn maps(&self) -> Maps {
        let ranges = |list: &[IdRange]| list.iter().map(|range| range.range()).collect();
        Maps { uids: ranges(&self.uids), gids: ranges(&self.gids) }
    }

    /// What `inspect` shows.
    pub fn name(&self) -> String {
        match &self.mode {
            UsernsMode::Container(id) => format!("container:{id}"),
            UsernsMode::Path(path) => format!("ns:{}", path.display()),
            _ if self.is_own() => "private".to_owned(),
            _ => String::new(),
        }
    }
}
