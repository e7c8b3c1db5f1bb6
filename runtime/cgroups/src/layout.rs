//! How the host's cgroups are mounted, and where a container's go.

use std::fs;
use std::path::{Component, Path, PathBuf};

use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs};

use crate::Error;

/// Where every distribution mounts cgroups (systemd's rule, and the FHS of containers).
pub const ROOT: &str = "/sys/fs/cgroup";

/// How the host's cgroups are mounted below `/sys/fs/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One hierarchy for all controllers.
    V2,
    /// A hierarchy a controller (or a few, named `cpu,cpuacct`); a v2 mount beside them makes no difference.
    V1 { hierarchies: Vec<PathBuf> },
}

impl Layout {
    /// For containers that stay in their maker's cgroups.
    pub const NONE: Layout = Layout::V1 { hierarchies: Vec::new() };

    /// Names of the controllers there are: `cpu`, `memory` and so on.
    pub fn controllers(&self) -> Result<Vec<String>, Error> {
        match self {
            Layout::V2 => {
                let path = Path::new(ROOT).join("cgroup.controllers");
                let names = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
                Ok(names.split_whitespace().map(str::to_owned).collect())
            }
            Layout::V1 { hierarchies } => {
                let names = hierarchies.iter().filter_map(|path| path.file_name()?.to_str());
                Ok(names.flat_map(|names| names.split(',')).map(str::to_owned).collect())
            }
        }
    }
}

/// Finds the host's layout with a few `statfs` calls; parses no mount table.
///
/// Symbolic links (`cpu` → `cpu,cpuacct`) are passed over: they are second names of a directory that is listed too.
pub fn detect() -> Result<Layout, Error> {
    let root = Path::new(ROOT);
    let magic = |path: &Path| statfs(path).map(|fs| fs.filesystem_type());

    if magic(root).map_err(|e| Error::io("look at", root)(e.into()))? == CGROUP2_SUPER_MAGIC {
        return Ok(Layout::V2);
    }
    let mut hierarchies = Vec::new();
    for entry in fs::read_dir(root).map_err(Error::io("list", root))? {
        let entry = entry.map_err(Error::io("list", root))?;
        let path = entry.path();
        // A plain directory left in the tmpfs is no hierarchy, nor is a v2 mount.
        if entry.file_type().is_ok_and(|t| t.is_dir()) && magic(&path) == Ok(CGROUP_SUPER_MAGIC) {
            hierarchies.push(path);
        }
    }
    if hierarchies.is_empty() {
        return Err(Error::unsupported("a cgroup", format!("no cgroup hierarchy is mounted below {ROOT}")));
    }
    hierarchies.sort_unstable();
    Ok(Layout::V1 { hierarchies })
}

/// The cgroup of container `id`: `linux.cgroupsPath` below each hierarchy's root, `/<id>` without one.
///
/// Lexically clean: a `..` goes up, but never above the root, as runc does.
pub fn path_for(cgroups_path: Option<&Path>, id: &str) -> PathBuf {
    let wanted = cgroups_path.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(id));
    let mut clean = PathBuf::from("/");
    for component in wanted.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// `path`, absolute, below `hierarchy`.
pub(crate) fn join(hierarchy: &Path, path: &Path) -> PathBuf {
    hierarchy.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (given, want) in [
            (None, "/web"),
            (Some(""), "/web"),
            (Some("/libpod_parent/x"), "/libpod_parent/x"),
            (Some("a//b/./c/"), "/a/b/c"),
            (Some("/a/../../etc"), "/etc"),
            (Some("../.."), "/"),
            (Some("/"), "/"),
            (Some("user.slice:ketch:x"), "/user.slice:ketch:x"),
        ] {
            assert_eq!(path_for(given.map(Path::new), "web"), Path::new(want), "{given:?}");
        }
    }

    #[test]
    fn this_host_has_hierarchies() {
        match detect().unwrap() {
            Layout::V2 => {}
            Layout::V1 { hierarchies } => assert!(hierarchies.iter().all(|h| h.starts_with(ROOT))),
        }
    }
}
