//! cgroups: v1, hybrid and v2, by the file system.
//!
//! [`Plan`] is pure: a path and `linux.resources` become the files to write. [`Cgroup`] is what
//! was made: processes are put in, signalled, frozen, counted, and the directories removed.

#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;

/// How the host's cgroups are mounted below `/sys/fs/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One hierarchy for all controllers.
    V2,
    /// A hierarchy a controller (or a few); a v2 mount without controllers beside them makes no difference.
    V1 { hierarchies: Vec<PathBuf> },
}

/// Where a container's cgroups are; kept in its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Location {
    /// Absolute directories, one for v2, one a hierarchy for v1.
    pub paths: Vec<PathBuf>,
}

/// A cgroup step that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {step} {path}")]
    Io { step: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{path} is not empty: a cgroup must have no processes before a container is put in")]
    NotEmpty { path: PathBuf },
    #[error("{what} cannot be honoured here: {reason}")]
    Unsupported { what: String, reason: String },
}

/// A container's cgroups.
#[derive(Debug)]
pub struct Cgroup {
    location: Location,
}

/// Finds the host's layout with a few `statfs` calls; parses no mount table.
pub fn detect() -> Result<Layout, Error> {
    todo!()
}

/// Makes the cgroup `path` (OCI `linux.cgroupsPath`, absolute: below every hierarchy's root) and
/// applies `resources`, devices included. On error the directories made are removed again.
pub fn create(_layout: &Layout, _path: &Path, _resources: Option<&LinuxResources>) -> Result<Cgroup, Error> {
    todo!()
}

impl Cgroup {
    /// The cgroup of a running container, from its state. Asks nothing of the kernel.
    pub fn open(location: Location) -> Cgroup {
        Cgroup { location }
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    /// v2: a descriptor for `CLONE_INTO_CGROUP`. v1: None, see [`Cgroup::add`].
    pub fn directory(&self) -> Option<OwnedFd> {
        todo!()
    }

    /// Puts a process into every hierarchy.
    pub fn add(&self, _pid: i32) -> Result<(), Error> {
        todo!()
    }

    /// Writes changed limits (`update`).
    pub fn apply(&self, _resources: &LinuxResources) -> Result<(), Error> {
        todo!()
    }

    /// Every process, those of sub-cgroups included, in the caller's pid namespace.
    pub fn pids(&self) -> Result<Vec<i32>, Error> {
        todo!()
    }

    pub fn freeze(&self, _frozen: bool) -> Result<(), Error> {
        todo!()
    }

    pub fn is_frozen(&self) -> bool {
        todo!()
    }

    /// Kills everything in it (`cgroup.kill`, or freeze-kill-thaw on v1) and waits until it is empty.
    pub fn kill(&self) -> Result<(), Error> {
        todo!()
    }

    /// Whether the kernel's OOM killer has ended a process in it.
    pub fn oom_killed(&self) -> bool {
        todo!()
    }

    /// Removes the directories, sub-cgroups first. Goes on past an error; what is gone already is no error.
    pub fn remove(&self) -> Result<(), Error> {
        todo!()
    }
}
