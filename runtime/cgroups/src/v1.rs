//! cgroup v1: a directory a hierarchy, the same operations in each.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use oci_spec::runtime::LinuxResources;

use crate::made::Made;
use crate::plan::{self, Write};
use crate::{Error, devices, file, layout, tree, wait};

/// Makes `path` in every hierarchy and writes the limits; answers the directories.
pub(crate) fn create(
    hierarchies: &[PathBuf],
    path: &Path,
    resources: Option<&LinuxResources>,
) -> Result<Vec<PathBuf>, Error> {
    let writes = resources.map(plan::v1::plan).transpose()?.unwrap_or_default();
    let rules = resources.and_then(|r| r.devices().as_deref()).unwrap_or_default();
    let devices = devices::v1::list(rules)?;
    check_mounted(hierarchies, &writes)?;
    if !devices.allow && hierarchy(hierarchies, "devices").is_none() {
        return Err(not_mounted("devices", "devices"));
    }

    let mut made = Made::default();
    let mut paths = Vec::with_capacity(hierarchies.len());
    for hierarchy in hierarchies {
        let directory = layout::join(hierarchy, path);
        if !made.directory(&directory)? {
            check_usable(&directory)?;
        }
        paths.push(directory);
    }
    if let Some(directory) = hierarchy(&paths, "cpuset") {
        inherit_cpuset(directory, &made)?;
    }
    write_all(&paths, &writes)?;
    if let Some(directory) = hierarchy(&paths, "devices") {
        restrict_devices(directory, &devices)?;
    }
    made.keep();
    Ok(paths)
}

pub(crate) fn apply(paths: &[PathBuf], resources: &LinuxResources) -> Result<(), Error> {
    let writes = plan::v1::plan(resources)?;
    check_mounted(paths, &writes)?;
    plan::change(&writes, |controller| hierarchy(paths, controller).expect("checked before").to_owned())
}

/// The path, of one a hierarchy, that `controller` has: `/sys/fs/cgroup/cpu,cpuacct/…` has cpu and cpuacct.
pub(crate) fn hierarchy<'a>(paths: &'a [PathBuf], controller: &str) -> Option<&'a Path> {
    let has = |path: &&PathBuf| {
        let name = path.strip_prefix(layout::ROOT).ok().and_then(|below| below.iter().next()?.to_str());
        name.is_some_and(|name| name.split(',').any(|part| part == controller))
    };
    paths.iter().find(has).map(PathBuf::as_path)
}

fn check_mounted(paths: &[PathBuf], writes: &[Write]) -> Result<(), Error> {
    match writes.iter().find(|write| hierarchy(paths, &write.controller).is_none()) {
        None => Ok(()),
        Some(write) => Err(not_mounted(&write.field, &write.controller)),
    }
}

fn not_mounted(field: &str, controller: &str) -> Error {
    let reason = format!("the {controller} controller is not mounted below {}", layout::ROOT);
    Error::unsupported(format!("linux.resources.{field}"), reason)
}

/// A cgroup that was there before is somebody's if it has processes, and a trap if it is frozen.
fn check_usable(directory: &Path) -> Result<(), Error> {
    if !tree::pids(directory)?.is_empty() {
        return Err(Error::NotEmpty { path: directory.to_owned() });
    }
    match file::read_line(&directory.join("freezer.state")) {
        Ok(state) if state != "THAWED" => Err(Error::Frozen { path: directory.to_owned() }),
        _ => Ok(()),
    }
}

/// A new cpuset is empty, and no process may enter an empty one: it gets what its parent has.
fn inherit_cpuset(directory: &Path, made: &Made) -> Result<(), Error> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        inherited(directory, name, made)?;
    }
    Ok(())
}

/// The value of `name` in `directory`, after filling it from the parent's if it was empty.
fn inherited(directory: &Path, name: &str, made: &Made) -> Result<String, Error> {
    let path = directory.join(name);
    if !made.contains(directory) {
        let value = file::read_line(&path).map_err(Error::io("read", &path))?;
        if !value.is_empty() {
            return Ok(value);
        }
    }
    let parent = directory.parent().filter(|parent| *parent != Path::new(layout::ROOT));
    let Some(parent) = parent else {
        return Err(Error::unsupported("the cpuset controller", format!("{} is empty", path.display())));
    };
    let value = inherited(parent, name, made)?;
    file::write(&path, &value)?;
    Ok(value)
}

fn write_all(paths: &[PathBuf], writes: &[Write]) -> Result<(), Error> {
    plan::carry_out(writes, |controller| hierarchy(paths, controller).expect("checked before").to_owned())
}

/// The rules go to the kernel one a write, all through one descriptor.
fn restrict_devices(directory: &Path, list: &devices::v1::List) -> Result<(), Error> {
    let (default, exceptions) =
        if list.allow { ("devices.allow", "devices.deny") } else { ("devices.deny", "devices.allow") };
    file::write(&directory.join(default), "a")?;

    let mut lines = list.exceptions().peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    let path = directory.join(exceptions);
    let mut file = file::for_writing(&path)?;
    for line in lines {
        file.write_all(line.as_bytes()).map_err(|source| {
            let hint = match source.raw_os_error() {
                Some(libc::EPERM) => " (the parent cgroup does not allow it)".to_owned(),
                _ => String::new(),
            };
            Error::Write { value: line, path: path.clone(), hint, source }
        })?;
    }
    Ok(())
}

/// Freezes or thaws, and waits until the kernel says so.
///
/// v1 notifies nobody when the last task has stopped, so the state is read again after short, growing
/// pauses; one that forks all the while can keep it at FREEZING, and a thaw in between gets it out of that.
pub(crate) fn freeze(paths: &[PathBuf], frozen: bool) -> Result<(), Error> {
    let Some(directory) = hierarchy(paths, "freezer") else {
        return if paths.is_empty() { Ok(()) } else { Err(not_mounted("freezer", "freezer")) };
    };
    let path = directory.join("freezer.state");
    if !frozen {
        return file::write(&path, "THAWED");
    }
    for round in 0..10 {
        file::write(&path, "FROZEN")?;
        for pause in [0, 0, 50, 100, 500, 1000, 5000, 10_000, 50_000] {
            std::thread::sleep(Duration::from_micros(pause));
            if file::read_line(&path).map_err(Error::io("read", &path))? == "FROZEN" {
                return Ok(());
            }
        }
        if round < 9 {
            file::write(&path, "THAWED")?;
        }
    }
    file::write(&path, "THAWED")?;
    let stuck = std::io::Error::from_raw_os_error(libc::EBUSY);
    Err(Error::Io { step: "freeze every task of", path: directory.to_owned(), source: stuck })
}

pub(crate) fn is_frozen(paths: &[PathBuf]) -> bool {
    hierarchy(paths, "freezer")
        .and_then(|directory| file::read_line(&directory.join("freezer.state")).ok())
        .is_some_and(|state| state != "THAWED")
}

/// Kills every process below `members`, and waits for their ends.
///
/// Under a freeze a process cannot fork, and its children are born frozen, so one look finds all;
/// without a freezer it is looked again until nobody is left.
pub(crate) fn kill(paths: &[PathBuf], members: &Path) -> Result<(), Error> {
    let freezer = hierarchy(paths, "freezer").map(|directory| directory.join("freezer.state"));
    let set = |state: &str| match &freezer {
        Some(path) => file::write(path, state),
        None => Ok(()),
    };
    // Mostly the pid namespace has seen to it before.
    while !tree::pids(members)?.is_empty() {
        set("FROZEN")?;
        let dying = tree::pids(members).and_then(|pids| wait::kill(&pids));
        set("THAWED")?;
        wait::until_dead(&dying?)?;
    }
    // A paused container whose processes are gone would not let its cgroup be used again.
    if is_frozen(paths) { set("THAWED") } else { Ok(()) }
}
