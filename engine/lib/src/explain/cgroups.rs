//! cgroups, and systemd, which may have to make them.

use std::path::{Path, PathBuf};

use ketch_cgroups::{Layout, ROOT, detect};
use nix::unistd::{AccessFlags, access};

use super::{Caller, Capability, no, tell, yes};

/// What limits and `stats` need; `io` is v1's `blkio`.
const WANTED: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

pub(super) fn explain(caller: &Caller) -> Vec<Capability> {
    let systemd = systemd(caller);
    let layout = match detect() {
        Ok(layout) => layout,
        Err(error) => {
            let cure = "mount cgroup2 on /sys/fs/cgroup";
            return vec![no("cgroups", ketch_runtime::causes::line(&error), Some(cure)), systemd];
        }
    };
    let version = match (&layout, Path::new(ROOT).join("unified/cgroup.procs").exists()) {
        (Layout::V2, _) => "version 2",
        (Layout::V1 { .. }, true) => "version 1, with an empty hierarchy of version 2 beside it",
        (Layout::V1 { .. }, false) => "version 1",
    };
    let controllers = layout.controllers().unwrap_or_default();
    let mut list = vec![yes("cgroups", version), controllers_of(&controllers)];
    list.push(own(caller, &layout, systemd.available));
    list.push(systemd);
    list
}

fn controllers_of(controllers: &[String]) -> Capability {
    let is_there =
        |name: &str| controllers.iter().any(|there| there == name || (name == "io" && there == "blkio"));
    let missing: Vec<_> = WANTED.into_iter().filter(|name| !is_there(name)).collect();
    if missing.is_empty() {
        return yes("cgroup controllers", controllers.join(" "));
    }
    no(
        "cgroup controllers",
        format!("{} missing; there are {}", missing.join(" "), controllers.join(" ")),
        Some("cgroup_enable=memory on the kernel's command line, or a kernel built with them"),
    )
}

/// Whether a container gets a cgroup of its own, without which there are no limits.
fn own(caller: &Caller, layout: &Layout, systemd: bool) -> Capability {
    const NAME: &str = "limits";
    if !caller.is_root() {
        return match (layout, systemd) {
            (Layout::V2, true) => yes(NAME, "the user's systemd makes cgroups"),
            (Layout::V2, false) => no(
                NAME,
                "no systemd of this user's makes cgroups",
                Some("log in with pam_systemd, or: loginctl enable-linger USER"),
            ),
            (Layout::V1 { .. }, _) => no(
                NAME,
                "an ordinary user gets no cgroup of version 1",
                Some("boot with systemd.unified_cgroup_hierarchy=1"),
            ),
        };
    }
    let directories = match layout {
        Layout::V2 => vec![PathBuf::from(ROOT)],
        Layout::V1 { hierarchies } => hierarchies.clone(),
    };
    let tried = directories.iter().try_for_each(|directory| {
        access(directory, AccessFlags::W_OK).map_err(|errno| {
            format!("cannot write to {}: {}", directory.display(), errno.desc().to_lowercase())
        })
    });
    tell(
        NAME,
        tried,
        "cgroups can be made",
        Some("mount cgroups writable: within a container, start that with --privileged"),
    )
}

/// sd_booted(3)
fn systemd(caller: &Caller) -> Capability {
    const NAME: &str = "systemd";
    if !Path::new("/run/systemd/system").exists() {
        return no(NAME, "the host was not booted by it; cgroups are made by hand", None);
    }
    match caller.systemd.is_there() {
        true => yes(NAME, "runs the host, and can be reached"),
        false => no(
            NAME,
            "runs the host, but has no socket for this user",
            Some("log in with pam_systemd, or: loginctl enable-linger USER"),
        ),
    }
}
