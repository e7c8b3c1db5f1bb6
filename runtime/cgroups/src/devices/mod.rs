//! Which devices a container may use.
//!
//! `linux.resources.devices` is an ordered list in which the last rule about a device decides; before the
//! first one everything is denied. [`v1`] makes `devices.allow` and `devices.deny` writes of it, [`v2`] an eBPF program.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use crate::Error;

pub(crate) mod v1;
pub(crate) mod v2;

/// Access bits, with the values that `struct bpf_cgroup_dev_ctx` gives them.
const MKNOD: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 4;
const ALL: u8 = MKNOD | READ | WRITE;

/// Block or character, with the values that `struct bpf_cgroup_dev_ctx` gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block = 1,
    Char = 2,
}

/// Some devices: all of a kind, of a major number, or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Devices {
    kind: Kind,
    major: Option<u32>,
    minor: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Everything, and nothing that was said before matters.
    Everything {
        allow: bool,
    },
    Some {
        allow: bool,
        devices: Devices,
        access: u8,
    },
}

/// What every container may use, as runc has it: make any node, and open those of the default /dev
/// and network tunnels. Not the machine's console (5:1): a container's /dev/console is a pty.
const DEFAULTS: [(Kind, Option<u32>, Option<u32>, u8); 11] = [
    (Kind::Char, None, None, MKNOD),
    (Kind::Block, None, None, MKNOD),
    (Kind::Char, Some(1), Some(3), ALL),    // null
    (Kind::Char, Some(1), Some(5), ALL),    // zero
    (Kind::Char, Some(1), Some(7), ALL),    // full
    (Kind::Char, Some(1), Some(8), ALL),    // random
    (Kind::Char, Some(1), Some(9), ALL),    // urandom
    (Kind::Char, Some(5), Some(0), ALL),    // tty
    (Kind::Char, Some(5), Some(2), ALL),    // ptmx
    (Kind::Char, Some(10), Some(200), ALL), // net/tun
    (Kind::Char, Some(136), None, ALL),     // pts/*
];

/// The configuration's rules, then the defaults.
fn rules(configured: &[LinuxDeviceCgroup]) -> Result<Vec<Rule>, Error> {
    let mut rules = Vec::with_capacity(configured.len() + DEFAULTS.len());
    for rule in configured {
        parse(rule, &mut rules)?;
    }
    rules.extend(DEFAULTS.map(|(kind, major, minor, access)| Rule::Some {
        allow: true,
        devices: Devices { kind, major, minor },
        access,
    }));
    Ok(rules)
}

/// One rule, or two where all types are meant but not all of their devices.
fn parse(rule: &LinuxDeviceCgroup, rules: &mut Vec<Rule>) -> Result<(), Error> {
    let refuse =
        |reason: String| Err(Error::unsupported(format!("linux.resources.devices rule {rule}"), reason));

    let number = |n: Option<i64>| match n {
        None | Some(-1) => Ok(None),
        Some(n) => u32::try_from(n).map(Some),
    };
    let (Ok(major), Ok(minor)) = (number(rule.major()), number(rule.minor())) else {
        return refuse("a device number is not below zero, but for -1 which stands for all".into());
    };
    let mut access = 0;
    for letter in rule.access().as_deref().unwrap_or("").chars() {
        access |= match letter {
            'm' => MKNOD,
            'r' => READ,
            'w' => WRITE,
            other => return refuse(format!("access {other:?} is none of r, w and m")),
        };
    }
    let kinds: &[Kind] = match rule.typ().unwrap_or_default() {
        LinuxDeviceType::A => &[Kind::Block, Kind::Char],
        LinuxDeviceType::B => &[Kind::Block],
        LinuxDeviceType::C | LinuxDeviceType::U => &[Kind::Char],
        LinuxDeviceType::P => return refuse("a FIFO is no device".into()),
    };

    let all_devices = kinds.len() == 2 && major.is_none() && minor.is_none();
    match access {
        // A rule of nothing but `allow` is about everything.
        0 | ALL if all_devices => rules.push(Rule::Everything { allow: rule.allow() }),
        0 => return refuse("it says no access".into()),
        _ => rules.extend(kinds.iter().map(|&kind| Rule::Some {
            allow: rule.allow(),
            devices: Devices { kind, major, minor },
            access,
        })),
    }
    Ok(())
}

impl Devices {
    /// Whether every one of `other` is one of these.
    fn contain(&self, other: &Devices) -> bool {
        self.kind == other.kind
            && (self.major.is_none() || self.major == other.major)
            && (self.minor.is_none() || self.minor == other.minor)
    }

    fn overlap(&self, other: &Devices) -> bool {
        let meets = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.kind == other.kind && meets(self.major, other.major) && meets(self.minor, other.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the specification means: the last rule that speaks of an access to the device decides.
    pub(super) fn oracle(rules: &[Rule], device: &Devices, access: u8) -> bool {
        [MKNOD, READ, WRITE].into_iter().filter(|bit| access & bit != 0).all(|bit| {
            rules
                .iter()
                .rev()
                .find_map(|rule| match rule {
                    Rule::Everything { allow } => Some(*allow),
                    Rule::Some { allow, devices, access } => {
                        (access & bit != 0 && devices.contain(device)).then_some(*allow)
                    }
                })
                .unwrap_or(false)
        })
    }

    pub(super) fn from_json(json: &str) -> Vec<LinuxDeviceCgroup> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn refused_rules() {
        for json in [
            r#"[{"allow":true,"type":"c","major":1,"minor":3}]"#,
            r#"[{"allow":true,"type":"c","major":-2,"access":"r"}]"#,
            r#"[{"allow":true,"type":"c","access":"x"}]"#,
            r#"[{"allow":true,"type":"p","access":"r"}]"#,
        ] {
            assert!(rules(&from_json(json)).is_err(), "{json}");
        }
    }

    #[test]
    fn rule_of_all_types_but_one_number_is_not_everything() {
        let rules =
            rules(&from_json(r#"[{"allow":true,"type":"a","major":10,"minor":229,"access":"rw"}]"#)).unwrap();
        let device = |kind, major, minor| Devices { kind, major: Some(major), minor: Some(minor) };
        assert!(oracle(&rules, &device(Kind::Char, 10, 229), READ | WRITE));
        assert!(!oracle(&rules, &device(Kind::Block, 8, 0), READ));
    }
}
