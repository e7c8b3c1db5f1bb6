//! A configuration turned into decisions, by pure functions: all that can be refused is refused here.

pub mod annotations;
pub mod device;
pub mod hidden;
pub mod ids;
pub mod mount;
pub mod mount_idmap;
pub mod mount_option;
pub mod namespace;
pub mod net_device;
pub mod process;
pub mod sysctl;

use std::path::{Path, PathBuf};

use ketch_sys::mount::Propagation;

use crate::spec::{Hooks, Spec};

/// Why a configuration is refused, before anything was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// Where in `config.json`, such as `process.rlimits`.
    pub field: String,
    pub reason: String,
}

impl Invalid {
    pub(crate) fn new(field: &str, reason: impl Into<String>) -> Invalid {
        Invalid { field: field.to_owned(), reason: reason.into() }
    }
}

/// All that is decided about a container before anything is made.
#[derive(Debug)]
pub struct Plan {
    pub namespaces: namespace::Namespaces,
    pub ids: ids::Maps,
    pub root: Root,
    pub mounts: Vec<mount::Mount>,
    /// What `/dev` is filled with; `None` when the configuration binds a `/dev` of its own.
    pub dev: Option<device::Devices>,
    pub hidden: hidden::Hidden,
    pub net_devices: Vec<net_device::NetDevice>,
    pub sysctl: Vec<sysctl::Sysctl>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    /// Absolute, below every hierarchy's root.
    pub cgroup: PathBuf,
    pub rdt: Option<crate::rdt::Rdt>,
    pub process: process::ProcessPlan,
}

/// Where the container's root comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Absolute; a mount given as a descriptor is attached there instead.
    pub path: PathBuf,
    pub read_only: bool,
    /// `linux.rootfsPropagation`, and whether it is meant for all mounts below.
    pub propagation: Option<(Propagation, bool)>,
}

/// Decides how the container `id` of the bundle at `bundle` (absolute) is made.
pub fn plan(spec: &Spec, id: &str, bundle: &Path) -> Result<Plan, Invalid> {
    check_version(spec.version())?;
    let linux = spec
        .linux()
        .clone()
        .ok_or_else(|| Invalid::new("linux", "is missing: only Linux containers can be made"))?;
    let process = spec
        .process()
        .as_ref()
        .ok_or_else(|| Invalid::new("process", "is missing: there is nothing to run"))?;

    let namespaces = namespace::plan(&linux)?;
    let ids = ids::plan(&linux, &namespaces)?;
    let user = match namespaces.joins(nix::libc::CLONE_NEWUSER) {
        true => mount::UserNamespace::Joined,
        false if ids.uids.is_empty() => mount::UserNamespace::None,
        false => mount::UserNamespace::New(&ids),
    };
    let annotations = spec.annotations().as_ref();
    annotations::check(annotations)?;
    let label = crate::process::lsm::mount_label(linux.mount_label().as_deref())?
        .map(|label| (annotations::mount_context_type(annotations), label));
    let given = mount::Given { bundle, user, label };
    let mounts = mount::plan(spec.mounts().as_deref().unwrap_or_default(), given)?;
    let domainname = name_of_uts("domainname", spec.domainname().as_ref(), &namespaces)?;
    check_hooks(spec.hooks().as_ref())?;
    Ok(Plan {
        root: root(spec, bundle)?,
        dev: device::plan(linux.devices().as_deref().unwrap_or_default(), &mounts)?,
        hidden: hidden::plan(&linux)?,
        net_devices: net_device::plan(linux.net_devices().as_ref(), &namespaces)?,
        sysctl: sysctl::plan(linux.sysctl().as_ref(), &namespaces, domainname.as_deref())?,
        hostname: name_of_uts("hostname", spec.hostname().as_ref(), &namespaces)?,
        domainname,
        cgroup: cgroup(linux.cgroups_path().as_deref(), id)?,
        rdt: linux.intel_rdt().as_ref().map(crate::rdt::plan).transpose()?,
        process: process_plan(spec, process, &linux)?,
        namespaces,
        ids,
        mounts,
    })
}

fn process_plan(
    spec: &Spec,
    process: &crate::spec::Process,
    linux: &crate::spec::Linux,
) -> Result<process::ProcessPlan, Invalid> {
    let mut plan = process::plan(process, linux.seccomp().as_ref())?;
    let annotations = spec.annotations().as_ref();
    plan.user.keeps_groups = annotations::keeps_groups(annotations);
    if let Some(profile) = linux.seccomp()
        && annotations::refuses_unknown_calls(annotations)
        && let Some(name) = crate::seccomp::unknown(profile)
    {
        let reason = format!("{name:?} is no system call, and an annotation has such refused");
        return Err(Invalid::new("linux.seccomp.syscalls", reason));
    }
    plan.personality = linux.personality().as_ref().map(crate::process::scheduler::persona).transpose()?;
    plan.memory_policy =
        linux.memory_policy().as_ref().map(crate::process::memory_policy::plan).transpose()?;
    Ok(plan)
}

/// runtime-spec: a runtime refuses what it does not know. 1.x only adds to 1.0.
fn check_version(version: &str) -> Result<(), Invalid> {
    let field = "ociVersion";
    if version.is_empty() {
        return Err(Invalid::new(field, "is missing"));
    }
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = numbers.split('.').collect();
    if parts.len() != 3 || parts.iter().any(|n| n.parse::<u32>().is_err()) {
        return Err(Invalid::new(field, format!("{version:?} is no version")));
    }
    if parts[0] != "1" {
        return Err(Invalid::new(field, format!("{version:?} is not supported, only 1.x is")));
    }
    Ok(())
}

fn root(spec: &Spec, bundle: &Path) -> Result<Root, Invalid> {
    let root = spec.root().as_ref().ok_or_else(|| Invalid::new("root", "is missing"))?;
    if root.path().as_os_str().is_empty() {
        return Err(Invalid::new("root.path", "is empty"));
    }
    let propagation = match spec.linux().as_ref().and_then(|l| l.rootfs_propagation().as_deref()) {
        None | Some("") => None,
        Some(word) => match mount_option::propagation(word) {
            Some(known) => Some(known),
            None => return Err(Invalid::new("linux.rootfsPropagation", format!("{word:?} is not known"))),
        },
    };
    Ok(Root { path: bundle.join(root.path()), read_only: root.readonly().unwrap_or(false), propagation })
}

/// Hostname and domainname belong to the UTS namespace; the host's are never changed.
fn name_of_uts(
    field: &str,
    name: Option<&String>,
    namespaces: &namespace::Namespaces,
) -> Result<Option<String>, Invalid> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    if !namespaces.separates(nix::libc::CLONE_NEWUTS) {
        return Err(Invalid::new(field, "cannot be set without a UTS namespace"));
    }
    if name.len() > 64 {
        return Err(Invalid::new(field, format!("{name:?} is longer than 64 bytes")));
    }
    Ok(Some(name.clone()))
}

fn cgroup(path: Option<&Path>, id: &str) -> Result<PathBuf, Invalid> {
    let path = ketch_cgroups::path_for(path, id);
    if path == Path::new("/") {
        return Err(Invalid::new("linux.cgroupsPath", "is the root of the hierarchy"));
    }
    Ok(path)
}

/// An absolute path without `.`, `..` and doubled slashes, as if `/` were the root of all there is. None if not UTF-8.
pub(crate) fn clean(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::from("/");
    for part in path.to_str()?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(clean.pop()),
            name => clean.push(name),
        }
    }
    Some(clean)
}

#[allow(
    deprecated,
    reason = "prestart is deprecated for those who write a configuration, not for those who read one"
)]
fn check_hooks(hooks: Option<&Hooks>) -> Result<(), Invalid> {
    let Some(hooks) = hooks else { return Ok(()) };
    let stages = [
        ("hooks.prestart", hooks.prestart()),
        ("hooks.createRuntime", hooks.create_runtime()),
        ("hooks.createContainer", hooks.create_container()),
        ("hooks.startContainer", hooks.start_container()),
        ("hooks.poststart", hooks.poststart()),
        ("hooks.poststop", hooks.poststop()),
    ];
    for (field, hooks) in stages {
        for hook in hooks.as_deref().unwrap_or_default() {
            if !hook.path().is_absolute() {
                return Err(Invalid::new(
                    field,
                    format!("{:?} is not an absolute path", hook.path().display().to_string()),
                ));
            }
            if hook.timeout().is_some_and(|seconds| seconds <= 0) {
                return Err(Invalid::new(field, "a timeout must be above 0"));
            }
        }
    }
    Ok(())
}
