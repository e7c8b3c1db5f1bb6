//! A pod's own cgroup, which those of its members are below.

use std::path::{Path, PathBuf};

use crate::spec;
use crate::state::pods::Pod;

/// `/ketch_pod_<id>`, or below the pod's `--cgroup-parent`.
pub fn path(pod: &Pod) -> PathBuf {
    let name = format!("ketch_pod_{}", pod.id);
    parent(pod).join(name)
}

/// What it is below.
pub fn parent(pod: &Pod) -> PathBuf {
    let parent = pod.options.cgroup_parent.as_deref().unwrap_or_default();
    Path::new("/").join(parent.trim_start_matches('/'))
}

/// Makes it and sets its limits, if it has any: otherwise it comes with the first member's.
///
/// Done before each start that may be the pod's first; a reboot leaves no cgroups.
pub(crate) fn prepare(pod: &Pod) -> Result<(), ketch_cgroups::Error> {
    let Some(resources) = spec::shared_resources(&pod.options.limits) else { return Ok(()) };
    ketch_cgroups::provide(&ketch_cgroups::detect()?, &path(pod), &resources)
}

/// Removes it. One that never was is no error.
pub(crate) fn remove(pod: &Pod) -> Result<(), ketch_cgroups::Error> {
    ketch_cgroups::at(&ketch_cgroups::detect()?, &path(pod)).remove()
}
