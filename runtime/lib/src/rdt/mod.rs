//! `linux.intelRdt`: a share of caches and memory bandwidth, by the kernel's resctrl file system.
//!
//! runtime-spec, config-linux, "IntelRdt"; the kernel's Documentation/filesystems/resctrl.rst. A directory is a class of
//! service; its `tasks` and `schemata` say who is in it and what they get.

mod plan;
mod schema;

use std::fs::{DirBuilder, read_to_string, remove_dir, write};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ketch_sys::Errno;
pub(crate) use plan::plan;
pub use plan::{Class, Rdt};
use serde::{Deserialize, Serialize};

use crate::container::state::State;
use crate::plan::Invalid;
use crate::step::{At, StepError};

/// Where a container is, as kept in its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The directory of its class.
    pub directory: PathBuf,
    /// The class is the container's own: it goes with it.
    pub own: bool,
    /// The container's monitoring group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<PathBuf>,
}

/// Why a running container's shares could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("container {id:?} was made without linux.intelRdt: it has no class of its own to change")]
    None { id: String },
}

/// Writes new shares for a container's class: `l3` as `L3:0=ff`, `bandwidth` as `MB:0=50`. With one refused the other may be
/// written already, `l3` first.
pub fn update(state: &State, l3: Option<&str>, bandwidth: Option<&str>) -> Result<(), UpdateError> {
    let l3 = plan::schema("l3CacheSchema", l3)?;
    let bandwidth = plan::schema("memBwSchema", bandwidth)?;
    let group = state.config.rdt.as_ref().ok_or_else(|| UpdateError::None { id: state.id.clone() })?;
    for line in [l3, bandwidth].into_iter().flatten() {
        write_schemata(&group.directory, &line)?;
    }
    Ok(())
}

/// Where resctrl is mounted. ENOENT: nowhere, because the CPU has no such shares, the kernel does not know of them
/// (`CONFIG_X86_CPU_RESCTRL`) or nobody has mounted it.
pub(crate) fn find() -> Result<PathBuf, StepError> {
    const TABLE: &str = "/proc/self/mountinfo";
    let table = read_to_string(TABLE).at("read", TABLE)?;
    mounted(&table).ok_or(Errno::ENOENT).at("find, for linux.intelRdt,", "a mounted resctrl file system")
}

/// proc_pid_mountinfo(5): the fifth field is the mount point, the type follows a single hyphen.
fn mounted(table: &str) -> Option<PathBuf> {
    table.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_whole = mount.split(' ').nth(3) == Some("/");
        (filesystem.split(' ').next() == Some("resctrl") && is_whole)
            .then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// Where the container `id` will be, below the resctrl mounted at `root`. Refuses a class that must be there and is not, and
/// one that must not.
pub(crate) fn locate(root: &Path, rdt: &Rdt, id: &str) -> Result<Group, StepError> {
    let (directory, own) = match &rdt.class {
        Class::Default => (root.to_owned(), false),
        Class::Named(name) => (root.join(name), false),
        Class::Own => (root.join(id), true),
    };
    let exists = directory.is_dir();
    if own && exists {
        return Err(Errno::EEXIST).at("make the class of service", &directory);
    }
    if !own && !exists && !rdt.has_schemata() {
        return Err(Errno::ENOENT)
            .at("find (without a schema to make it with) the class of service", &directory);
    }
    let monitoring = rdt.monitoring.then(|| directory.join("mon_groups").join(id));
    if let Some(monitoring) = monitoring.as_ref().filter(|monitoring| monitoring.is_dir()) {
        return Err(Errno::EEXIST).at("make the monitoring group", monitoring);
    }
    Ok(Group { directory, own, monitoring })
}

/// Makes what is missing of the group, writes its shares, and puts the process `pid` in it; its children follow. On error
/// [`remove`] takes away what there is.
pub(crate) fn enter(group: &Group, rdt: &Rdt, pid: i32) -> Result<(), StepError> {
    let directory = &group.directory;
    let new = make("make the class of service", directory)?;
    let own_lines = [&rdt.l3, &rdt.bandwidth].into_iter().flatten();
    for line in own_lines {
        if new {
            write_schemata(directory, line)?;
        } else {
            compare(directory, line)?;
        }
    }
    if !rdt.schemata.is_empty() {
        write_schemata(directory, &rdt.schemata.join("\n"))?;
    }
    write_file(&directory.join("tasks"), &pid.to_string())?;
    if let Some(monitoring) = &group.monitoring {
        make("make the monitoring group", monitoring)?;
        write_file(&monitoring.join("tasks"), &pid.to_string())?;
    }
    Ok(())
}

/// Puts the calling process, one that joins the container, in its group.
pub(crate) fn join(group: &Group) -> Result<(), StepError> {
    for directory in [Some(&group.directory), group.monitoring.as_ref()].into_iter().flatten() {
        // 0 is whoever writes it.
        write_file(&directory.join("tasks"), "0")?;
    }
    Ok(())
}

/// Takes away what is the container's own; what is not there is as good.
pub(crate) fn remove(group: &Group) -> Result<(), StepError> {
    let own = group.own.then_some(&group.directory);
    // The class last, in which the monitoring group may lie.
    for directory in group.monitoring.iter().chain(own) {
        match remove_dir(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            result => result.at("remove", directory)?,
        }
    }
    Ok(())
}

/// Whether it was not there before.
fn make(step: &str, directory: &Path) -> Result<bool, StepError> {
    match DirBuilder::new().mode(0o755).create(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // The hardware has a fixed number of each.
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            Err(error).at(&format!("{step}, of which there are no more,"), directory)
        }
        Err(error) => Err(error).at(step, directory),
    }
}

fn write_schemata(directory: &Path, lines: &str) -> Result<(), StepError> {
    let path = directory.join("schemata");
    write_file(&path, &format!("{lines}\n"))
        .map_err(|error| StepError { step: format!("write {lines:?} to"), ..error })
}

fn compare(directory: &Path, line: &str) -> Result<(), StepError> {
    let path = directory.join("schemata");
    let found = read_to_string(&path).at("read", &path)?;
    match schema::agrees(&found, line) {
        true => Ok(()),
        false => Err(Errno::EEXIST).at(&format!("use (it does not say {line:?})"), &path),
    }
}

/// The kernel says why it refuses something in a file of its own.
fn write_file(path: &Path, text: &str) -> Result<(), StepError> {
    write(path, text).at("write", path).map_err(|error| {
        let root = path.ancestors().find(|above| above.join("info").is_dir());
        let said = root.and_then(|root| read_to_string(root.join("info/last_cmd_status")).ok());
        match said.as_deref().map(str::trim_end) {
            None | Some("" | "ok") => error,
            Some(said) => StepError { object: format!("{} ({said})", error.object), ..error },
        }
    })
}

#[cfg(test)]
mod tests;
