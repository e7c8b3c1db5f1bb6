//! cgroup v2: one directory, one hierarchy.

use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::geteuid;
use oci_spec::runtime::LinuxResources;

use crate::made::Made;
use crate::plan::{self, Write};
use crate::{Error, devices, file, layout, systemd, tree, wait};

/// Makes `path` below `root` and writes the limits; answers the directory.
pub(crate) fn create(root: &Path, path: &Path, resources: Option<&LinuxResources>) -> Result<PathBuf, Error> {
    let writes = resources.map(plan::v2::plan).transpose()?.unwrap_or_default();
    let rules = resources.and_then(|r| r.devices().as_deref()).unwrap_or_default();
    let filter = devices::v2::program(rules)?;

    let directory = layout::join(root, path);
    let mut made = Made::default();
    if !made.directory(&directory)? {
        check_usable(&directory)?;
    }
    enable_controllers(root, &directory)?;
    check_type(&directory, &writes)?;
    plan::carry_out(&writes, |_| directory.clone())?;
    if let Some(filter) = filter {
        attach_filter(&directory, &filter)?;
    }
    made.keep();
    Ok(directory)
}

pub(crate) fn apply(
    directory: &Path,
    unit: Option<&systemd::Unit>,
    resources: &LinuxResources,
) -> Result<(), Error> {
    let writes = plan::v2::plan(&completed(directory, resources))?;
    if let Some(memory) = resources.memory().filter(|m| m.check_before_update() == Some(true)) {
        check_usage(directory, memory.limit())?;
    }
    // Before systemd is told, which would put back at its next reload what the kernel refuses.
    plan::change(&writes, |_| directory.to_owned())?;
    match unit {
        None => Ok(()),
        Some(unit) => {
            systemd::set(unit, &writes)?;
            // And once more: it has rounded some.
            plan::carry_out(&writes, |_| directory.to_owned())
        }
    }
}

/// v2 has two of OCI's limits in one file (quota and period), or reckons one by another (swap by memory): where only one of
/// the two is changed, the other is what the cgroup has.
fn completed(directory: &Path, resources: &LinuxResources) -> LinuxResources {
    let mut resources = resources.clone();
    let now = |name: &str| file::read_line(&directory.join(name)).unwrap_or_default();
    let is_given = |value: Option<i64>| value.is_some_and(|value| value != 0);
    if let Some(mut cpu) = resources.cpu().clone() {
        let period = cpu.period().filter(|period| *period != 0);
        if is_given(cpu.quota()) != period.is_some() {
            let now = now("cpu.max");
            let (quota_now, period_now) = now.split_once(' ').unwrap_or_default();
            cpu.set_period(period.or(period_now.parse().ok()));
            cpu.set_quota(cpu.quota().filter(|quota| *quota != 0).or(quota_now.parse().ok()));
        }
        resources.set_cpu(Some(cpu));
    }
    if let Some(mut memory) = *resources.memory()
        && memory.swap().is_some_and(|swap| swap > 0)
        && !is_given(memory.limit())
    {
        memory.set_limit(now("memory.max").parse().ok());
        resources.set_memory(Some(memory));
    }
    resources
}

/// `memory.checkBeforeUpdate`: v2 would take a limit below usage, and kill until it fits.
fn check_usage(directory: &Path, limit: Option<i64>) -> Result<(), Error> {
    let path = directory.join("memory.current");
    let usage = file::read_line(&path).map_err(Error::io("read", &path))?;
    match (usage.parse::<i64>(), limit) {
        (Ok(usage), Some(limit)) if 0 < limit && limit < usage => {
            let reason = format!("{usage} bytes are in use already, and checkBeforeUpdate is set");
            Err(Error::unsupported("linux.resources.memory.limit", reason))
        }
        _ => Ok(()),
    }
}

fn check_usable(directory: &Path) -> Result<(), Error> {
    if !tree::pids(directory)?.is_empty() {
        return Err(Error::NotEmpty { path: directory.to_owned() });
    }
    if file::read_line(&directory.join("cgroup.freeze")).is_ok_and(|state| state == "1") {
        return Err(Error::Frozen { path: directory.to_owned() });
    }
    Ok(())
}

/// Hands every controller down from `root` to the parent of `directory`.
///
/// Where that is refused (no right to the upper levels, or processes live in one of them) what is
/// enabled already has to do; a limit that would need more fails then by its missing file.
fn enable_controllers(root: &Path, directory: &Path) -> Result<(), Error> {
    let available = root.join("cgroup.controllers");
    let available = file::read_line(&available).map_err(Error::io("read", &available))?;
    let Some(parent) = directory.parent().filter(|parent| parent.starts_with(root)) else {
        return Ok(());
    };
    let enabled = file::read_line(&parent.join("cgroup.subtree_control")).unwrap_or_default();
    let missing: Vec<String> = available
        .split_whitespace()
        .filter(|name| !enabled.split_whitespace().any(|there| there == *name))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut levels: Vec<&Path> = parent.ancestors().take_while(|level| level.starts_with(root)).collect();
    levels.reverse();
    for level in levels {
        let control = level.join("cgroup.subtree_control");
        // One that cannot be handed down makes the kernel refuse the whole line.
        if file::try_write(&control, &missing.join(" ")).is_err() {
            for one in &missing {
                let _ = file::try_write(&control, one);
            }
        }
    }
    Ok(())
}

/// Hands down what `writes` need and systemd has not enabled: it does not know hugetlb, rdma and misc.
pub(crate) fn enable_for(root: &Path, directory: &Path, writes: &[Write]) -> Result<(), Error> {
    let path = directory.join("cgroup.controllers");
    let there = file::read_line(&path).map_err(Error::io("read", &path))?;
    let is_there = |name: &str| name == "cgroup" || there.split_whitespace().any(|one| one == name);
    match writes.iter().all(|write| is_there(&write.controller)) {
        true => Ok(()),
        false => enable_controllers(root, directory),
    }
}

/// Below a threaded cgroup a new one is `domain invalid`: nobody may enter before it is threaded too, and then only
/// controllers that can tell threads apart work in it.
fn check_type(directory: &Path, writes: &[Write]) -> Result<(), Error> {
    let path = directory.join("cgroup.type");
    let kind = match file::read_line(&path) {
        // The root has no type.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(Error::io("read", &path))?,
    };
    if kind == "domain" {
        return Ok(());
    }
    let threaded =
        |controller: &str| matches!(controller, "cpu" | "cpuset" | "pids" | "perf_event" | "cgroup");
    if let Some(write) = writes.iter().find(|write| !threaded(&write.controller)) {
        let reason =
            format!("{} is of type {kind:?}, where {} does not work", directory.display(), write.controller);
        return Err(Error::unsupported(format!("linux.resources.{}", write.field), reason));
    }
    if kind == "domain invalid" { file::write(&path, "threaded") } else { Ok(()) }
}

/// An ordinary user may attach none (EPERM), nor may root of a user namespace, and none is needed: no node can be made by
/// them, and those bound in are the host's, with its permissions. runc passes over it in the same way.
pub(crate) fn attach_filter(directory: &Path, filter: &[ketch_sys::bpf::Insn]) -> Result<(), Error> {
    use std::os::fd::AsFd;

    let failed = |errno: ketch_sys::Errno| Error::io("attach a device filter to", directory)(errno.into());
    let program = match ketch_sys::bpf::load_cgroup_device(filter) {
        Err(ketch_sys::Errno::EPERM) if !geteuid().is_root() || in_user_namespace() => return Ok(()),
        result => result.map_err(failed)?,
    };
    let cgroup = file::directory(directory)?;
    ketch_sys::bpf::attach_cgroup_device(cgroup.as_fd(), program.as_fd()).map_err(failed)
}

/// Whether the caller is in a user namespace: the first one maps every id to itself.
pub fn in_user_namespace() -> bool {
    file::read_line(Path::new("/proc/self/uid_map"))
        .is_ok_and(|map| !map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// The directory that `pid` is in, as the kernel says.
pub(crate) fn of_process(pid: i32) -> Result<PathBuf, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/cgroup"));
    let text = file::read(&path).map_err(Error::io("read", &path))?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    Ok(layout::join(Path::new(layout::ROOT), Path::new(own)))
}

pub(crate) fn freeze(directory: &Path, frozen: bool) -> Result<(), Error> {
    file::write(&directory.join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
    if frozen { wait::until_event(directory, "frozen", 1) } else { Ok(()) }
}

pub(crate) fn is_frozen(directory: &Path) -> bool {
    file::read(&directory.join("cgroup.events")).is_ok_and(|text| file::field(&text, "frozen") == Some(1))
}

/// `cgroup.kill` (Linux 5.14) reaches all descendants, forking or frozen.
pub(crate) fn kill(directory: &Path) -> Result<(), Error> {
    match file::try_write(&directory.join("cgroup.kill"), "1") {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return kill_one_by_one(directory),
        Err(e) if e.raw_os_error() == Some(libc::ENODEV) => return Ok(()),
        Err(e) => return Err(Error::io("kill everything in", directory)(e)),
    }
    wait::until_event(directory, "populated", 0)
}

/// Older kernels, or a cgroup that is gone. A frozen v2 cgroup lets a killed process die.
fn kill_one_by_one(directory: &Path) -> Result<(), Error> {
    loop {
        let pids = tree::pids(directory)?;
        if pids.is_empty() {
            return Ok(());
        }
        wait::until_dead(&wait::kill(&pids)?)?;
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::Command;

    use super::*;

    /// A v2 hierarchy: the host's, or that of a hybrid host, which has few controllers.
    fn root() -> Option<&'static Path> {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            .map(Path::new)
            .into_iter()
            .find(|root| root.join("cgroup.controllers").exists())
    }

    /// The kernel's verifier takes the device filter, and it does what it says.
    #[test]
    fn made_with_a_device_filter() {
        let Some(root) = root() else { return };
        let path = PathBuf::from(format!("/ketch-scg-test-{}-filter/a", std::process::id()));
        let rules = r#"{"devices":[{"allow":false,"access":"rwm"}]}"#;
        let directory = create(root, &path, Some(&serde_json::from_str(rules).unwrap())).unwrap();

        let script = "read x; cat </dev/null && ! (exec </dev/kmsg) 2>/dev/null";
        let mut child =
            Command::new("sh").args(["-c", script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        file::write(&directory.join("cgroup.procs"), &child.id().to_string()).unwrap();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());

        tree::remove(directory.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_limit_without_its_controller_is_refused_and_undone() {
        let Some(root) = root().filter(|root| root.ends_with("unified")) else { return };
        let path = PathBuf::from(format!("/ketch-scg-test-{}-refused", std::process::id()));
        let limits = serde_json::from_str(r#"{"pids":{"limit":7}}"#).unwrap();
        let error = create(root, &path, Some(&limits)).unwrap_err().to_string();
        assert!(error.contains("linux.resources.pids.limit") && error.contains("pids.max"), "{error}");
        assert!(!layout::join(root, &path).exists());
    }

    /// Below a threaded cgroup a domain cannot be: ours becomes threaded too.
    #[test]
    fn below_a_threaded_cgroup() {
        let Some(root) = root() else { return };
        let parent = PathBuf::from(format!("/ketch-scg-test-{}-threaded", std::process::id()));
        let middle = layout::join(root, &parent).join("threaded");
        std::fs::create_dir_all(&middle).unwrap();
        file::write(&middle.join("cgroup.type"), "threaded").unwrap();

        let directory = create(root, &parent.join("threaded/a"), None).unwrap();
        assert_eq!(file::read_line(&directory.join("cgroup.type")).unwrap(), "threaded");
        let limits = serde_json::from_str(r#"{"memory":{"limit":10000000}}"#).unwrap();
        let error = create(root, &parent.join("threaded/b"), Some(&limits)).unwrap_err().to_string();
        assert!(error.contains("memory.limit"), "{error}");

        tree::remove(&layout::join(root, &parent)).unwrap();
    }

    #[test]
    fn filters_of_all_sizes_pass_the_verifier() {
        for rules in [
            "[]",
            r#"[{"allow":true,"type":"c","major":1,"access":"r"},{"allow":false,"type":"b","access":"w"}]"#,
        ] {
            let filter =
                devices::v2::program(&serde_json::from_str::<Vec<_>>(rules).unwrap()).unwrap().unwrap();
            let program = ketch_sys::bpf::load_cgroup_device(&filter).unwrap();
            assert!(program.as_fd().try_clone_to_owned().is_ok());
        }
    }
}
