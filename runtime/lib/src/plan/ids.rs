//! `linux.uidMappings` and `linux.gidMappings`: user_namespaces(7).

use std::fmt::Write;

use nix::libc;
use nix::unistd::{getegid, geteuid};

use super::Invalid;
use super::namespace::Namespaces;
use crate::spec::{Linux, LinuxIdMapping};

/// What is written to `uid_map` and `gid_map` of a new user namespace; of a joined one, what its configuration says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maps {
    pub uids: Vec<Range>,
    pub gids: Vec<Range>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub container: u32,
    pub host: u32,
    pub size: u32,
}

impl Maps {
    /// As in crun, a user namespace without maps has one user, root, who is the caller: all that an ordinary user could map
    /// anyway. (runc refuses it.)
    fn of_caller() -> Maps {
        let one = |host| vec![Range { container: 0, host, size: 1 }];
        Maps { uids: one(geteuid().as_raw()), gids: one(getegid().as_raw()) }
    }
}

/// The kernel takes this many lines (Linux 4.15).
const MAX_RANGES: usize = 340;

pub(super) fn plan(linux: &Linux, namespaces: &Namespaces) -> Result<Maps, Invalid> {
    let uids = linux.uid_mappings().as_deref().unwrap_or_default();
    let gids = linux.gid_mappings().as_deref().unwrap_or_default();
    let given = !uids.is_empty() || !gids.is_empty();
    if given && !namespaces.separates(libc::CLONE_NEWUSER) {
        return Err(Invalid::new("linux.uidMappings", "cannot be set without a user namespace"));
    }
    if !given {
        let creates = namespaces.creates(libc::CLONE_NEWUSER);
        return Ok(if creates { Maps::of_caller() } else { Maps::default() });
    }
    // Those of a joined user namespace, for which nothing is written: they tell whom the container's ids are outside.
    Ok(Maps { uids: ranges("linux.uidMappings", uids)?, gids: ranges("linux.gidMappings", gids)? })
}

fn ranges(field: &str, mappings: &[LinuxIdMapping]) -> Result<Vec<Range>, Invalid> {
    if mappings.is_empty() {
        return Err(Invalid::new(field, "is missing: a new user namespace has no ids without it"));
    }
    let ranges: Vec<Range> = mappings.iter().map(Range::from).collect();
    check(&ranges).map_err(|reason| Invalid::new(field, reason))?;
    Ok(ranges)
}

impl From<&LinuxIdMapping> for Range {
    fn from(mapping: &LinuxIdMapping) -> Range {
        Range { container: mapping.container_id(), host: mapping.host_id(), size: mapping.size() }
    }
}

/// What the kernel would refuse to write into a map.
pub fn check(ranges: &[Range]) -> Result<(), String> {
    if ranges.len() > MAX_RANGES {
        return Err(format!("has more than {MAX_RANGES} ranges"));
    }
    for (i, range) in ranges.iter().enumerate() {
        if range.size == 0 {
            return Err("a range has size 0".to_owned());
        }
        if range.container.checked_add(range.size).is_none() || range.host.checked_add(range.size).is_none() {
            return Err("a range goes beyond the last id".to_owned());
        }
        let overlap = |a: u32, b: u32, size: u32| a < b + size && b < a + range.size;
        if ranges[..i]
            .iter()
            .any(|o| overlap(range.container, o.container, o.size) || overlap(range.host, o.host, o.size))
        {
            return Err("two ranges overlap".to_owned());
        }
    }
    Ok(())
}

/// What the host calls the container's `id`.
pub fn host(ranges: &[Range], id: u32) -> Option<u32> {
    let range = ranges.iter().find(|range| id >= range.container && id - range.container < range.size)?;
    Some(range.host + (id - range.container))
}

/// The text of `uid_map`, one range a line.
pub fn map_text(ranges: &[Range]) -> String {
    ranges.iter().fold(String::new(), |mut text, range| {
        let _ = writeln!(text, "{} {} {}", range.container, range.host, range.size);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mappings: &str) -> Result<Vec<Range>, Invalid> {
        ranges("m", &serde_json::from_str::<Vec<LinuxIdMapping>>(mappings).expect("valid JSON"))
    }

    #[test]
    fn mappings() {
        let two = read(
            r#"[{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 100000, "size": 65535}]"#,
        );
        let two = two.expect("valid");
        assert_eq!(map_text(&two), "0 1000 1\n1 100000 65535\n");
        for (container, on_host) in
            [(0, Some(1000)), (1, Some(100_000)), (65535, Some(165_534)), (65536, None)]
        {
            assert_eq!(host(&two, container), on_host);
        }
    }

    #[test]
    fn refused() {
        for (mappings, reason) in [
            ("[]", "is missing"),
            (r#"[{"containerID": 0, "hostID": 0, "size": 0}]"#, "size 0"),
            (r#"[{"containerID": 4294967295, "hostID": 0, "size": 2}]"#, "beyond"),
            (
                r#"[{"containerID": 0, "hostID": 0, "size": 10}, {"containerID": 9, "hostID": 50, "size": 1}]"#,
                "overlap",
            ),
            (
                r#"[{"containerID": 0, "hostID": 5, "size": 10}, {"containerID": 20, "hostID": 0, "size": 6}]"#,
                "overlap",
            ),
        ] {
            let error = read(mappings).expect_err(mappings).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
