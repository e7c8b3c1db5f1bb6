//! Slices: a pod's, or a parent that was asked for. systemd makes those above by itself.

use std::path::PathBuf;

use oci_spec::runtime::LinuxResources;

use super::bus::Value;
use super::manager::{Manager, Talk};
use super::scope::locate;
use super::{Unit, name, properties};
use crate::{Cgroup, Error, Location, layout, plan as limits, v2};

/// Whether `name` is a slice's, nested or not.
pub fn is_slice(name: &str) -> bool {
    name::slice_path(name).is_ok()
}

/// Starts the slice `name` with `resources`; one that is there already gets them too. [`Cgroup::remove`] stops it.
///
/// Devices are the scopes' own business.
pub fn create_slice(
    manager: &Manager,
    name: &str,
    resources: Option<&LinuxResources>,
) -> Result<Cgroup, Error> {
    name::slice_path(name)?;
    let writes = resources.map(limits::v2::plan).transpose()?.unwrap_or_default();
    let unit = Unit { name: name.to_owned(), manager: manager.clone() };
    let mut list = vec![Value::property("Description", Value::text(format!("ketch slice {name}")))];
    for accounting in ["MemoryAccounting", "CPUAccounting", "IOAccounting", "TasksAccounting"] {
        list.push(Value::property(accounting, Value::Bool(true)));
    }
    list.extend(properties::of(&writes).into_iter().map(|(name, value)| Value::property(name, value)));
    let arguments = vec![
        Value::text(name),
        Value::text("replace"),
        Value::Array("(sv)".into(), list),
        Value::Array("(sa(sv))".into(), vec![]),
    ];
    let failed = |source| Error::Systemd { step: "have systemd start".into(), unit: name.to_owned(), source };
    let mut talk = Talk::with(manager).map_err(failed)?;
    match talk.job(name, "StartTransientUnit", arguments) {
        Err(Error::Systemd { source, .. }) if source.is("UnitExists") => super::set(&unit, &writes)?,
        started => started?,
    }
    let path = locate(&unit)?.ok_or_else(|| Error::Job {
        unit: name.to_owned(),
        member: "StartTransientUnit".into(),
        result: "without a cgroup".into(),
    })?;
    let root = PathBuf::from(layout::ROOT);
    v2::enable_for(&root, &path, &writes)?;
    limits::carry_out(&writes, |_| path.clone())?;
    Ok(Cgroup::open(Location { paths: vec![path], v2: true, unit: Some(unit) }))
}
