//! A container's scope: planned, started around its init, changed, stopped.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ketch_sys::bpf::Insn;
use nix::libc;
use oci_spec::runtime::LinuxResources;

use super::bus::{BusError, Value};
use super::manager::{self, Manager, Talk, of_systemd};
use super::{Unit, name, properties, text};
use crate::plan::Write;
use crate::{Cgroup, Error, Location, devices, layout, plan as limits, tree, v2};

/// All that is decided about a scope before it is made.
#[derive(Debug)]
pub struct Scope {
    unit: Unit,
    properties: Vec<Value>,
    writes: Vec<Write>,
    filter: Option<Vec<Insn>>,
}

/// Decides about the scope of container `id`: `cgroups_path` is `slice:prefix:name` or None, and annotations named
/// `org.systemd.property.*` are properties of it.
pub fn plan(
    manager: &Manager,
    cgroups_path: Option<&Path>,
    id: &str,
    resources: Option<&LinuxResources>,
    annotations: &HashMap<String, String>,
) -> Result<Scope, Error> {
    let name = name::name(cgroups_path, id, manager.user)?;
    let writes = resources.map(limits::v2::plan).transpose()?.unwrap_or_default();
    let rules = resources.and_then(|r| r.devices().as_deref()).unwrap_or_default();
    let filter = devices::v2::program(rules)?;

    let mut list = vec![
        Value::property("Description", Value::text(format!("ketch container {id}"))),
        Value::property("Slice", Value::text(name.slice)),
        // What is below the cgroup is ours, and systemd leaves it alone.
        Value::property("Delegate", Value::Bool(true)),
        // Neither stopped nor started along with the host's own units: that is up to the engine.
        Value::property("DefaultDependencies", Value::Bool(false)),
        // Gone when it has ended, however that was.
        Value::property("CollectMode", Value::text("inactive-or-failed")),
    ];
    for accounting in ["MemoryAccounting", "CPUAccounting", "IOAccounting", "TasksAccounting"] {
        list.push(Value::property(accounting, Value::Bool(true)));
    }
    list.extend(properties::of(&writes).into_iter().map(|(name, value)| Value::property(name, value)));
    // In order of name, so that two runs do the same.
    let mut asked: Vec<_> = annotations.iter().collect();
    asked.sort_unstable();
    for (key, value) in asked {
        if let Some((name, value)) = text::property(key, value)? {
            list.push(Value::property(&name, value));
        }
    }
    let unit = Unit { name: name.scope, manager: manager.clone() };
    Ok(Scope { unit, properties: list, writes, filter })
}

impl Scope {
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// Makes the scope around process `pid` and applies the limits. On error there is no scope; the process may
    /// have been killed.
    pub fn start(&self, pid: i32) -> Result<Cgroup, Error> {
        start(&self.unit, &self.properties, pid)?;
        let path = path_of(pid, &self.unit)?;
        let location = Location { paths: vec![path.clone()], v2: true, unit: Some(self.unit.clone()) };
        let cgroup = Cgroup::open(location);
        match self.limit(&path) {
            Ok(()) => Ok(cgroup),
            Err(error) => {
                // systemd's own way, SIGTERM and a long wait, is not for an init that ignores it.
                let undone = cgroup.kill().and_then(|()| cgroup.remove());
                Err(match undone {
                    Ok(()) => error,
                    Err(problem) => Error::Several(vec![error, problem]),
                })
            }
        }
    }

    fn limit(&self, path: &Path) -> Result<(), Error> {
        v2::enable_for(Path::new(layout::ROOT), path, &self.writes)?;
        limits::carry_out(&self.writes, |_| path.to_owned())?;
        match &self.filter {
            Some(filter) => v2::attach_filter(path, filter),
            None => Ok(()),
        }
    }
}

/// Moves the calling process to where it may start others in the unit's cgroup: for that a user must have the right to the
/// cgroup above both, and his session is not below his own systemd. It gets a scope of its own there, as with podman.
///
/// Nothing for the host's systemd, and when it is there already. The scope ends with the caller and what it has started elsewhere.
pub(crate) fn come_near(unit: &Unit, path: &Path) -> Result<(), Error> {
    if !unit.manager.user {
        return Ok(());
    }
    let is_manager = |name: &std::ffi::OsStr| {
        name.to_str().is_some_and(|name| name.starts_with("user@") && name.ends_with(".service"))
    };
    let above = path.ancestors().find(|path| path.file_name().is_some_and(is_manager));
    let pid = std::process::id().cast_signed();
    let own = v2::of_process(pid)?;
    if above.is_none_or(|above| own.starts_with(above)) {
        return Ok(());
    }
    let scope = Unit { name: format!("ketch-exec-{pid}.scope"), manager: unit.manager.clone() };
    let properties = [
        Value::property("Description", Value::text("ketch exec")),
        Value::property("CollectMode", Value::text("inactive-or-failed")),
    ];
    start(&scope, &properties, pid)
}

/// A scope of this name that has ended, and is about to be forgotten by systemd, is in the way for a moment: it is gone once
/// systemd has answered another call.
fn start(unit: &Unit, properties: &[Value], pid: i32) -> Result<(), Error> {
    let pids = Value::Array("u".into(), vec![Value::U32(pid.cast_unsigned())]);
    let mut properties = properties.to_vec();
    properties.push(Value::property("PIDs", pids));
    let arguments = vec![
        Value::text(&unit.name),
        Value::text("fail"),
        Value::Array("(sv)".into(), properties),
        Value::Array("(sa(sv))".into(), vec![]),
    ];
    for _ in 0..3 {
        match talk(unit, "start")?.job(&unit.name, "StartTransientUnit", arguments.clone()) {
            Err(Error::Systemd { source, .. }) if source.is("UnitExists") && is_dead(unit)? => {
                let reset = vec![Value::text(&unit.name)];
                match Talk::with(&unit.manager)
                    .and_then(|mut talk| talk.call(of_systemd("ResetFailedUnit", reset)))
                {
                    Err(error) if !error.is("NoSuchUnit") => return Err(failed("reset", unit)(error)),
                    _ => {}
                }
            }
            result => return result,
        }
    }
    talk(unit, "start")?.job(&unit.name, "StartTransientUnit", arguments)
}

fn is_dead(unit: &Unit) -> Result<bool, Error> {
    Ok(locate(unit)?.is_none())
}

/// Where the kernel says that `pid` is, which must be the unit's cgroup.
fn path_of(pid: i32, unit: &Unit) -> Result<PathBuf, Error> {
    let path = v2::of_process(pid)?;
    match path.file_name().is_some_and(|name| name == &*unit.name) {
        true => Ok(path),
        false => Err(Error::NotMoved { unit: unit.name.clone(), pid, path }),
    }
}

/// The directory of an active unit.
pub(crate) fn locate(unit: &Unit) -> Result<Option<PathBuf>, Error> {
    let group = manager::control_group(&unit.manager, &unit.name).map_err(failed("find", unit))?;
    Ok(Some(group)
        .filter(|group| !group.is_empty())
        .map(|group| layout::join(Path::new(layout::ROOT), Path::new(&group))))
}

/// Tells systemd of changed limits; returns when it has set them.
pub(crate) fn set(unit: &Unit, writes: &[Write]) -> Result<(), Error> {
    let list: Vec<Value> =
        properties::of(writes).into_iter().map(|(name, value)| Value::property(name, value)).collect();
    if list.is_empty() {
        return Ok(());
    }
    let arguments = vec![Value::text(&unit.name), Value::Bool(true), Value::Array("(sv)".into(), list)];
    talk(unit, "change")?.call(of_systemd("SetUnitProperties", arguments)).map_err(failed("change", unit))?;
    // It answers before it goes to the cgroup, but to another call only after that.
    locate(unit).map(drop)
}

/// Ends a unit without processes, and removes its directory. With processes it is EBUSY, as for a directory.
///
/// Where the directory has gone, systemd has ended the unit by itself and forgotten it.
pub(crate) fn stop(unit: &Unit, path: &Path) -> Result<(), Error> {
    if !path.exists() {
        return Ok(());
    }
    if !tree::pids(path)?.is_empty() {
        return Err(Error::io("remove", path)(std::io::Error::from_raw_os_error(libc::EBUSY)));
    }
    let arguments = vec![Value::text(&unit.name), Value::text("replace")];
    let stopped = match talk(unit, "stop").and_then(|mut talk| talk.job(&unit.name, "StopUnit", arguments)) {
        Err(Error::Systemd { source, .. }) if source.is("NoSuchUnit") => Ok(()),
        stopped => stopped,
    };
    // A user's manager may have gone, and have left it behind.
    Error::several(
        stopped.err().into_iter().filter(|_| path.exists()).chain(tree::remove(path).err()).collect(),
    )
}

fn talk(unit: &Unit, step: &str) -> Result<Talk, Error> {
    Talk::with(&unit.manager).map_err(failed(step, unit))
}

fn failed(step: &str, unit: &Unit) -> impl Fn(BusError) -> Error {
    let (step, unit) = (format!("have systemd {step}"), unit.name.clone());
    move |source| Error::Systemd { step: step.clone(), unit: unit.clone(), source }
}
