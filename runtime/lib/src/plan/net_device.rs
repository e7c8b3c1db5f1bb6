//! `linux.netDevices`: interfaces that move from the runtime's network namespace into the container's.

use std::collections::HashMap;

use nix::libc;

use super::Invalid;
use super::namespace::Namespaces;
use crate::spec::LinuxNetDevice;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetDevice {
    /// In the runtime's namespace.
    pub name: String,
    /// In the container's; after `%d` at its end the kernel looks for a number that makes it unique.
    pub new_name: String,
}

impl NetDevice {
    /// Whether the kernel is to find the name.
    pub fn is_pattern(&self) -> bool {
        self.new_name.ends_with("%d")
    }
}

const FIELD: &str = "linux.netDevices";

/// In the order of their names.
pub(super) fn plan(
    devices: Option<&HashMap<String, LinuxNetDevice>>,
    namespaces: &Namespaces,
) -> Result<Vec<NetDevice>, Invalid> {
    let mut plan: Vec<NetDevice> = Vec::new();
    for (name, device) in devices.into_iter().flatten() {
        let new_name = device.name().as_ref().filter(|name| !name.is_empty()).unwrap_or(name);
        check(name, name).map_err(|reason| Invalid::new(FIELD, reason))?;
        check(new_name, new_name.strip_suffix("%d").unwrap_or(new_name))
            .map_err(|reason| Invalid::new(FIELD, reason))?;
        plan.push(NetDevice { name: name.clone(), new_name: new_name.clone() });
    }
    if !plan.is_empty() && !namespaces.separates(libc::CLONE_NEWNET) {
        return Err(Invalid::new(FIELD, "cannot be moved without a network namespace"));
    }
    plan.sort_by(|a, b| a.name.cmp(&b.name));
    for (i, device) in plan.iter().enumerate() {
        if !device.is_pattern() && plan[..i].iter().any(|other| other.new_name == device.new_name) {
            return Err(Invalid::new(FIELD, format!("two devices are to be {:?}", device.new_name)));
        }
    }
    Ok(plan)
}

/// What the kernel takes as a name (dev_valid_name in net/core/dev.c); `fixed` is the part without a pattern.
fn check(name: &str, fixed: &str) -> Result<(), String> {
    let strange = |c: char| c.is_ascii_whitespace() || "/:%\0\u{b}".contains(c);
    match name {
        "" => Err("a device without a name".to_owned()),
        "." | ".." => Err(format!("{name:?} is no name of a device")),
        "lo" => Err("lo stays in its namespace".to_owned()),
        _ if name.len() >= libc::IFNAMSIZ => Err(format!("{name:?} is longer than 15 bytes")),
        _ if fixed.contains(strange) => Err(format!("{name:?} is no name of a device")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(devices: &str, new: libc::c_int) -> Result<Vec<NetDevice>, Invalid> {
        let devices: HashMap<String, LinuxNetDevice> = serde_json::from_str(devices).expect("valid JSON");
        plan(Some(&devices), &Namespaces { new, ..Namespaces::default() })
    }

    #[test]
    fn names() {
        let plan = read(
            r#"{"veth1": {"name": "eth%d"}, "veth0": {}, "veth2": {"name": "eth%d"}, "veth3": {"name": ""}}"#,
            libc::CLONE_NEWNET,
        );
        let plan = plan.expect("valid");
        let names: Vec<_> = plan.iter().map(|d| (&*d.name, &*d.new_name, d.is_pattern())).collect();
        assert_eq!(
            names,
            [
                ("veth0", "veth0", false),
                ("veth1", "eth%d", true),
                ("veth2", "eth%d", true),
                ("veth3", "veth3", false)
            ]
        );
    }

    #[test]
    fn refused() {
        for (devices, part) in [
            (r#"{"": {}}"#, "without a name"),
            (r#"{"eth0": {"name": ".."}}"#, "no name of a device"),
            (r#"{"eth0": {"name": "a/b"}}"#, "no name of a device"),
            (r#"{"eth0": {"name": "a b"}}"#, "no name of a device"),
            (r#"{"eth0": {"name": "%deth"}}"#, "no name of a device"),
            (r#"{"eth%d": {}}"#, "no name of a device"),
            (r#"{"eth0": {"name": "sixteen-bytes-xx"}}"#, "longer than 15"),
            (r#"{"lo": {"name": "lo1"}}"#, "lo stays"),
            (r#"{"a": {"name": "x"}, "b": {"name": "x"}}"#, "two devices are to be \"x\""),
        ] {
            let error = read(devices, libc::CLONE_NEWNET).expect_err(devices).to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(read(r#"{"eth0": {}}"#, 0).is_err());
        assert!(read("{}", 0).is_ok());
    }
}
