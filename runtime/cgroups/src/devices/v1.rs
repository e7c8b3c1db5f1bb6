//! Device rules → `devices.allow` and `devices.deny`.
//!
//! The kernel keeps one default and a set of exceptions from it, so the ordered list is played through first.

use std::fmt;

use oci_spec::runtime::LinuxDeviceCgroup;

use super::{Devices, Kind, MKNOD, READ, Rule, WRITE, rules};
use crate::Error;

/// What the kernel is to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// Whether what is no exception is allowed.
    pub allow: bool,
    /// In the order of the rules, which is the kernel's in `devices.list`; of some devices once.
    exceptions: Vec<(Devices, u8)>,
}

/// Plays the rules through.
///
/// A denial inside a wider allowance that stays ("all of major 5, but not 5:1"), or the reverse, has no form in v1 and is refused,
/// as runc does.
pub(crate) fn list(configured: &[LinuxDeviceCgroup]) -> Result<List, Error> {
    let mut list = List::default();
    for rule in rules(configured)? {
        match rule {
            Rule::Everything { allow } => list = List { allow, exceptions: Vec::new() },
            Rule::Some { allow, devices, access } if allow != list.allow => list.except(devices, access),
            Rule::Some { devices, access, .. } => list.except_no_more(&devices, access)?,
        }
    }
    Ok(list)
}

impl List {
    fn except(&mut self, devices: Devices, access: u8) {
        match self.exceptions.iter_mut().find(|(its_devices, _)| *its_devices == devices) {
            Some((_, its_access)) => *its_access |= access,
            None => self.exceptions.push((devices, access)),
        }
    }

    fn except_no_more(&mut self, devices: &Devices, access: u8) -> Result<(), Error> {
        for (exception, its_access) in &mut self.exceptions {
            if devices.contain(exception) {
                *its_access &= !access;
            } else if devices.overlap(exception) && *its_access & access != 0 {
                let what = format!("linux.resources.devices rule {}", Line(devices, access));
                let reason = format!(
                    "cgroup v1 cannot express a hole in the wider rule {}",
                    Line(exception, *its_access)
                );
                return Err(Error::unsupported(what, reason));
            }
        }
        self.exceptions.retain(|(_, access)| *access != 0);
        Ok(())
    }

    /// The lines for `devices.deny` if all else is allowed, for `devices.allow` if it is denied.
    pub(crate) fn exceptions(&self) -> impl Iterator<Item = String> {
        self.exceptions.iter().map(|(devices, access)| Line(devices, *access).to_string())
    }
}

/// `c 1:3 rwm`
struct Line<'a>(&'a Devices, u8);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line(devices, access) = self;
        f.write_str(if devices.kind == Kind::Block { "b " } else { "c " })?;
        match devices.major {
            Some(major) => write!(f, "{major}:")?,
            None => f.write_str("*:")?,
        }
        match devices.minor {
            Some(minor) => write!(f, "{minor} ")?,
            None => f.write_str("* ")?,
        }
        for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')] {
            if access & bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::from_json;
    use super::*;

    const DEFAULTS: &str = "c *:* m,b *:* m,c 1:3 rwm,c 1:5 rwm,c 1:7 rwm,c 1:8 rwm,c 1:9 rwm,c 5:0 rwm,\
                            c 5:2 rwm,c 10:200 rwm,c 136:* rwm";

    fn lines(json: &str) -> Result<(bool, String), Error> {
        let list = list(&from_json(json))?;
        Ok((list.allow, list.exceptions().collect::<Vec<_>>().join(",")))
    }

    #[test]
    fn the_order_of_the_rules_is_kept() {
        let json = r#"[{"allow":false},{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"},
                       {"allow":true,"type":"b","major":8,"minor":20,"access":"r"},
                       {"allow":true,"type":"c","major":10,"minor":229,"access":"m"}]"#;
        assert_eq!(lines(json).unwrap(), (false, format!("c 10:229 rwm,b 8:20 r,{DEFAULTS}")));
    }

    #[test]
    fn the_defaults() {
        for json in ["[]", r#"[{"allow":false,"access":"rwm"}]"#] {
            assert_eq!(lines(json).unwrap(), (false, DEFAULTS.to_owned()), "{json}");
        }
    }

    #[test]
    fn privileged() {
        assert_eq!(lines(r#"[{"allow":true,"access":"rwm"}]"#).unwrap(), (true, String::new()));
        let but_one = r#"[{"allow":true},{"allow":false,"type":"b","major":8,"minor":0,"access":"w"}]"#;
        assert_eq!(lines(but_one).unwrap(), (true, "b 8:0 w".to_owned()));
    }

    #[test]
    fn last_rule_wins() {
        let json = r#"[{"allow":true,"type":"c","major":10,"minor":229,"access":"rwm"},
                       {"allow":false,"type":"c","major":10,"access":"w"}]"#;
        let (allow, lines) = lines(json).unwrap();
        assert!(!allow && lines.contains("c 10:229 rm,"), "{lines}");
    }

    #[test]
    fn hole_is_refused() {
        let json = r#"[{"allow":true,"type":"c","major":10,"access":"rwm"},
                       {"allow":false,"type":"c","major":10,"minor":229,"access":"w"}]"#;
        let error = lines(json).unwrap_err().to_string();
        assert!(error.contains("c 10:229 w") && error.contains("c 10:* rwm"), "{error}");
    }
}
