//! A pod's own cgroup, which those of its members are below.

use std::path::{Path, PathBuf};

use ketch_cgroups::systemd;

use crate::container::options::CgroupManager;
use crate::spec::SpecError;
use crate::state::pods::Pod;
use crate::{Engine, spec};

/// `/ketch_pod_<id>`, or below the pod's `--cgroup-parent`; for systemd a slice in its slice, which goes into its name:
/// `machine.slice/machine-ketch_pod_<id>.slice`.
pub fn path(pod: &Pod) -> PathBuf {
    parent(pod).join(name(pod))
}

/// What it is below.
pub fn parent(pod: &Pod) -> PathBuf {
    let parent = pod.options.cgroup_parent.as_deref().unwrap_or_default();
    match pod.options.cgroup_manager {
        CgroupManager::Cgroupfs => Path::new("/").join(parent.trim_start_matches('/')),
        CgroupManager::Systemd { user: true } if parent.is_empty() => "user.slice".into(),
        CgroupManager::Systemd { .. } if parent.is_empty() => "machine.slice".into(),
        CgroupManager::Systemd { .. } => parent.rsplit('/').next().unwrap_or_default().into(),
    }
}

fn name(pod: &Pod) -> String {
    match pod.options.cgroup_manager {
        CgroupManager::Cgroupfs => format!("ketch_pod_{}", pod.id),
        CgroupManager::Systemd { .. } => {
            let parent = parent(pod).display().to_string();
            format!("{}-ketch_pod_{}.slice", parent.trim_end_matches(".slice"), pod.id)
        }
    }
}

/// Makes it and sets its limits, if it has any: otherwise it comes with the first member's.
///
/// Done before each start that may be the pod's first; a reboot leaves no cgroups.
pub(crate) fn prepare(engine: &Engine, pod: &Pod) -> Result<(), PrepareError> {
    let Some(resources) = spec::shared_resources(&pod.options.limits)? else { return Ok(()) };
    match pod.options.cgroup_manager {
        CgroupManager::Cgroupfs => {
            ketch_cgroups::provide(&ketch_cgroups::detect()?, &path(pod), &resources)?;
        }
        CgroupManager::Systemd { .. } => {
            systemd::create_slice(&engine.systemd, &name(pod), Some(&resources))?;
        }
    }
    Ok(())
}

/// Why a pod has no cgroup with its limits.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Limits(#[from] SpecError),
    #[error(transparent)]
    Cgroup(#[from] ketch_cgroups::Error),
}

/// Removes it. One that never was is no error.
pub(crate) fn remove(engine: &Engine, pod: &Pod) -> Result<(), ketch_cgroups::Error> {
    let cgroup = match pod.options.cgroup_manager {
        CgroupManager::Cgroupfs => Some(ketch_cgroups::at(&ketch_cgroups::detect()?, &path(pod))),
        CgroupManager::Systemd { .. } => systemd::slice(&engine.systemd, &name(pod))?,
    };
    cgroup.map_or(Ok(()), |cgroup| cgroup.remove())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::options::PodOptions;

    #[test]
    fn places() {
        let systemd = |user| CgroupManager::Systemd { user };
        for (cgroup_manager, cgroup_parent, expected) in [
            (CgroupManager::Cgroupfs, None, "/ketch_pod_ab"),
            (CgroupManager::Cgroupfs, Some("x/y"), "/x/y/ketch_pod_ab"),
            (systemd(false), None, "machine.slice/machine-ketch_pod_ab.slice"),
            (systemd(true), None, "user.slice/user-ketch_pod_ab.slice"),
            (systemd(false), Some("/a.slice/a-b.slice"), "a-b.slice/a-b-ketch_pod_ab.slice"),
        ] {
            let cgroup_parent = cgroup_parent.map(str::to_owned);
            let options = PodOptions { cgroup_manager, cgroup_parent, ..PodOptions::default() };
            let pod = Pod { id: "ab".into(), options, ..Pod::default() };
            assert_eq!(path(&pod), Path::new(expected));
        }
    }
}
