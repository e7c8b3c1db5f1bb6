//! Where an ordinary user may make cgroups: cgroups(7), "Cgroups delegation".

use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use crate::file;
use crate::layout::{self, Layout};

/// What of the hierarchies the caller may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Delegated {
    /// All of them.
    #[default]
    Root,
    /// v2: what is below this path of the hierarchy, with these controllers.
    Below { path: PathBuf, controllers: Vec<String> },
    /// Nothing, for this reason.
    Nothing(String),
}

/// For a caller without root, or in a user namespace: what is below the parent of its own cgroup, if that was given to it.
///
/// Beside its own cgroup and not in it, as a cgroup with processes of its own has no controllers to hand down.
pub fn delegated(layout: &Layout) -> Delegated {
    match layout {
        Layout::V2 => below(Path::new(layout::ROOT)),
        Layout::V1 { hierarchies } if hierarchies.iter().all(|hierarchy| is_writable(hierarchy)) => {
            Delegated::Root
        }
        Layout::V1 { .. } => {
            Delegated::Nothing("the cgroups of this host are v1, which only root may use".to_owned())
        }
    }
}

fn below(root: &Path) -> Delegated {
    let own = file::read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let path = Path::new(own).parent().unwrap_or(Path::new("/"));
    let directory = layout::join(root, path);
    // Moving a process takes the right to both ends' common ancestor.
    if !is_writable(&directory) || !is_writable(&directory.join("cgroup.procs")) {
        return Delegated::Nothing(format!(
            "the cgroup {} belongs to somebody else (systemd gives a user its own: start ketch by `systemd-run --user --scope`)",
            path.display()
        ));
    }
    let controllers = file::read_line(&directory.join("cgroup.controllers")).unwrap_or_default();
    Delegated::Below {
        path: path.to_owned(),
        controllers: controllers.split_whitespace().map(str::to_owned).collect(),
    }
}

fn is_writable(path: &Path) -> bool {
    faccessat(AT_FDCWD, path, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_there_is_a_reason() {
        let nobodys = Layout::V1 { hierarchies: vec!["/no/such/hierarchy".into()] };
        assert!(matches!(delegated(&nobodys), Delegated::Nothing(reason) if reason.contains("v1")));
    }
}
