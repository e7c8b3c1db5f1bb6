//! Whether a container gets cgroups of its own: `--cgroup-manager` and `--rootless`.

use std::path::PathBuf;

use anyhow::Result;
use ketch_cgroups::Layout;
use ketch_cgroups::systemd::Manager;
use ketch_runtime::container::create::{CreateError, Created};
use ketch_runtime::spec::{LinuxResources, Spec};
use nix::errno::Errno;
use nix::unistd::geteuid;

use crate::globals::{CgroupManager, Globals, Rootless};
use crate::report;

/// Makes the container in the host's cgroups; without any where that was asked for, or where `--rootless` allows it,
/// the caller may not make them, and nothing is lost by it.
pub(crate) fn make(
    globals: &Globals,
    spec: &Spec,
    create_in: impl Fn(&Layout) -> Result<Created>,
) -> Result<Created> {
    if globals.cgroup_manager() == CgroupManager::Disabled {
        return create_in(&Layout::NONE);
    }
    match create_in(&ketch_cgroups::detect()?) {
        Err(error) if is_not_permitted(&error) && may_do_without(globals.rootless, spec) => {
            report::debug(globals, || format!("going on without cgroups: {error:#}"));
            create_in(&Layout::NONE)
        }
        created => created,
    }
}

/// The systemd that makes the cgroups, if one is to: an ordinary user's own for one, who may be root in a user namespace.
pub(crate) fn systemd(globals: &Globals) -> Option<Manager> {
    if globals.cgroup_manager() != CgroupManager::Systemd {
        return None;
    }
    if geteuid().is_root() && !ketch_cgroups::in_user_namespace() {
        return Some(Manager::system());
    }
    let runtime_directory = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let bus = std::env::var_os("DBUS_SESSION_BUS_ADDRESS");
    Some(Manager::of_user(runtime_directory.as_deref(), bus.as_deref()))
}

fn is_not_permitted(error: &anyhow::Error) -> bool {
    let Some(CreateError::Cgroup(error)) = error.downcast_ref() else { return false };
    let refusals = [Errno::EACCES, Errno::EPERM, Errno::EROFS].map(|errno| errno as i32);
    error.errno().is_some_and(|errno| refusals.contains(&errno))
}

/// Device rules alone are no loss: an ordinary user's container cannot make devices anyway.
fn may_do_without(rootless: Rootless, spec: &Spec) -> bool {
    let is_rootless = match rootless {
        Rootless::True => true,
        Rootless::False => false,
        Rootless::Auto => !geteuid().is_root(),
    };
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().clone()).unwrap_or_default();
    let mut limits = resources;
    limits.set_devices(None);
    is_rootless && limits == LinuxResources::default()
}
