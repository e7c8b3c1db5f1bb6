//! A new container's cgroup.

use ketch_cgroups::{Cgroup, Layout, Location};

use super::create::CreateError;
use super::directory::Directory;
use crate::plan::Plan;
use crate::spec::Spec;

/// Makes it, with the configuration's limits, and notes in the container's directory where it is.
///
/// A layout without hierarchies leaves the container in the caller's cgroups.
pub(super) fn make(
    layout: &Layout,
    spec: &Spec,
    plan: &Plan,
    directory: &Directory,
) -> Result<Cgroup, CreateError> {
    if matches!(layout, Layout::V1 { hierarchies } if hierarchies.is_empty()) {
        return Ok(Cgroup::open(Location::default()));
    }
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    directory.plan_cgroup(&plan.cgroup)?;
    let cgroup = ketch_cgroups::create(layout, &plan.cgroup, resources)?;
    match directory.own_cgroup() {
        Ok(()) => Ok(cgroup),
        Err(error) => {
            cgroup.remove()?;
            Err(error.into())
        }
    }
}
