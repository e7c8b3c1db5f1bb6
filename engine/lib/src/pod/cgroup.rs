//! A pod's own cgroup, which those of its members are below: a directory, or a slice of systemd's.

use std::path::{Path, PathBuf};

use ketch_cgroups::Cgroup;
use ketch_cgroups::systemd::{Unit, create_slice};

use crate::container::options::CgroupManager;
use crate::state::pods::Pod;
use crate::{Engine, spec};

/// What a member has as `--cgroup-parent`.
pub(crate) fn as_parent(pod: &Pod) -> String {
    match pod.options.cgroup_manager {
        CgroupManager::Cgroupfs => path(pod).display().to_string(),
        CgroupManager::Systemd { .. } => slice(pod),
    }
}

/// `/ketch_pod_<id>`, or below the pod's `--cgroup-parent`. For systemd `machine.slice/machine-ketch_pod_<id>.slice`, in
/// podman's slices.
pub fn path(pod: &Pod) -> PathBuf {
    match pod.options.cgroup_manager {
        CgroupManager::Cgroupfs => parent(pod).join(format!("ketch_pod_{}", pod.id)),
        CgroupManager::Systemd { .. } => parent(pod).join(slice(pod)),
    }
}

/// What it is below.
pub fn parent(pod: &Pod) -> PathBuf {
    let given = pod.options.cgroup_parent.as_deref().unwrap_or_default();
    match pod.options.cgroup_manager {
        CgroupManager::Cgroupfs => Path::new("/").join(given.trim_start_matches('/')),
        CgroupManager::Systemd { user } => match given.rsplit('/').next().unwrap_or_default() {
            "" if user => "user.slice".into(),
            "" => "machine.slice".into(),
            slice => slice.into(),
        },
    }
}

/// systemd.slice(5): the name says what it is below.
fn slice(pod: &Pod) -> String {
    let parent = parent(pod);
    let parent = parent.to_str().unwrap_or_default().trim_end_matches(".slice").to_owned();
    format!("{parent}-ketch_pod_{}.slice", pod.id)
}

/// Makes it and sets its limits, if it has any: otherwise it comes with the first member's.
///
/// Done before each start that may be the pod's first; a reboot leaves no cgroups.
pub(crate) fn prepare(engine: &Engine, pod: &Pod) -> Result<(), ketch_cgroups::Error> {
    let Some(resources) = spec::shared_resources(&pod.options.limits) else { return Ok(()) };
    match pod.options.cgroup_manager {
        CgroupManager::Cgroupfs => ketch_cgroups::provide(&ketch_cgroups::detect()?, &path(pod), &resources),
        CgroupManager::Systemd { .. } => {
            create_slice(&engine.systemd, &slice(pod), Some(&resources)).map(drop)
        }
    }
}

/// Removes it. One that never was is no error.
pub(crate) fn remove(engine: &Engine, pod: &Pod) -> Result<(), ketch_cgroups::Error> {
    match pod.options.cgroup_manager {
        CgroupManager::Cgroupfs => ketch_cgroups::at(&ketch_cgroups::detect()?, &path(pod)).remove(),
        CgroupManager::Systemd { .. } => {
            let unit = Unit { name: slice(pod), manager: engine.systemd.clone() };
            Cgroup::of_unit(&unit)?.remove()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::options::PodOptions;

    #[test]
    fn places() {
        let systemd = CgroupManager::Systemd { user: false };
        for (cgroup_manager, cgroup_parent, expected, member) in [
            (CgroupManager::Cgroupfs, None, "/ketch_pod_ab", "/ketch_pod_ab"),
            (CgroupManager::Cgroupfs, Some("x/y"), "/x/y/ketch_pod_ab", "/x/y/ketch_pod_ab"),
            (systemd, None, "machine.slice/machine-ketch_pod_ab.slice", "machine-ketch_pod_ab.slice"),
            (
                CgroupManager::Systemd { user: true },
                None,
                "user.slice/user-ketch_pod_ab.slice",
                "user-ketch_pod_ab.slice",
            ),
            (
                systemd,
                Some("/a.slice/a-b.slice"),
                "a-b.slice/a-b-ketch_pod_ab.slice",
                "a-b-ketch_pod_ab.slice",
            ),
        ] {
            let cgroup_parent = cgroup_parent.map(str::to_owned);
            let options = PodOptions { cgroup_manager, cgroup_parent, ..PodOptions::default() };
            let pod = Pod { id: "ab".into(), options, ..Pod::default() };
            assert_eq!((path(&pod).as_path(), &*as_parent(&pod)), (Path::new(expected), member));
        }
    }
}
