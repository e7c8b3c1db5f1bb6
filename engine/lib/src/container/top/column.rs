//! The columns of `top`: podman's descriptors, and ps(1)'s AIX format codes for those that have one.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use ketch_monitor::clock;

use super::process::{Names, Process, System};
use crate::userns::namespace::inside;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Args,
    BoundingCaps,
    EffectiveCaps,
    InheritedCaps,
    PermittedCaps,
    AmbientCaps,
    Comm,
    Elapsed,
    Group,
    Groups,
    HostGroup,
    HostGroups,
    HostPid,
    HostUser,
    Label,
    Nice,
    Cpu,
    Pgid,
    Pid,
    Ppid,
    RealGroup,
    RealUser,
    Resident,
    Seccomp,
    State,
    Started,
    Time,
    Tty,
    User,
    Virtual,
    Gid,
    Uid,
}

use Column::*;

/// Name, AIX code, header, column.
const TABLE: [(&str, &str, &str, Column); 32] = [
    ("args", "%a", "COMMAND", Args),
    ("capamb", "", "AMBIENT CAPS", AmbientCaps),
    ("capbnd", "", "BOUNDING CAPS", BoundingCaps),
    ("capeff", "", "EFFECTIVE CAPS", EffectiveCaps),
    ("capinh", "", "INHERITED CAPS", InheritedCaps),
    ("capprm", "", "PERMITTED CAPS", PermittedCaps),
    ("comm", "%c", "COMMAND", Comm),
    ("etime", "%t", "ELAPSED", Elapsed),
    ("group", "%g", "GROUP", Group),
    ("groups", "", "GROUPS", Groups),
    ("hgroup", "", "HGROUP", HostGroup),
    ("hgroups", "", "HGROUPS", HostGroups),
    ("hpid", "", "HPID", HostPid),
    ("huser", "", "HUSER", HostUser),
    ("label", "", "LABEL", Label),
    ("nice", "%n", "NI", Nice),
    ("pcpu", "%C", "%CPU", Cpu),
    ("pgid", "%r", "PGID", Pgid),
    ("pid", "%p", "PID", Pid),
    ("ppid", "%P", "PPID", Ppid),
    ("rgroup", "%G", "RGROUP", RealGroup),
    ("ruser", "%U", "RUSER", RealUser),
    ("rss", "", "RSS", Resident),
    ("seccomp", "", "SECCOMP", Seccomp),
    ("state", "", "STATE", State),
    ("stime", "", "STIME", Started),
    ("time", "%x", "TIME", Time),
    ("tty", "%y", "TTY", Tty),
    ("user", "%u", "USER", User),
    ("vsz", "%z", "VSZ", Virtual),
    ("gid", "", "GID", Gid),
    ("uid", "", "UID", Uid),
];

#[derive(Debug, thiserror::Error)]
#[error("unknown column {name:?}: ketch runs no ps(1); it has {}", known())]
pub struct UnknownColumn {
    name: String,
}

impl UnknownColumn {
    pub(super) fn new(name: &str) -> UnknownColumn {
        UnknownColumn { name: name.to_owned() }
    }
}

fn known() -> String {
    TABLE.map(|(name, ..)| name).join(", ")
}

/// `pid,user` or several words of such.
pub(super) fn parse(words: &[String]) -> Result<Vec<Column>, UnknownColumn> {
    words
        .iter()
        .flat_map(|word| word.split(','))
        .filter(|name| !name.is_empty())
        .map(|name| {
            let known = TABLE.iter().find(|(long, short, ..)| *long == name || *short == name);
            known.map(|(.., column)| *column).ok_or_else(|| UnknownColumn { name: name.to_owned() })
        })
        .collect()
}

impl Column {
    pub fn header(self) -> &'static str {
        TABLE.iter().find(|(.., column)| *column == self).map_or("", |(_, _, header, _)| header)
    }

    pub(super) fn text(self, process: &Process, all: &[Process], names: &Names, system: &System) -> String {
        let (stat, status) = (&process.stat, &process.status);
        let named =
            |names: &HashMap<u32, String>, id: u32| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let uid = |uid| names.ids.as_ref().map_or(uid, |ids| inside(ids, (uid, 0)).0);
        let gid = |gid| names.ids.as_ref().map_or(gid, |ids| inside(ids, (0, gid)).1);
        let groups = |names: &HashMap<u32, String>, id: &dyn Fn(u32) -> u32| {
            let list: Vec<String> = status.groups.iter().map(|gid| named(names, id(*gid))).collect();
            list.join(",")
        };
        match self {
            // A kernel-side name in brackets, as ps(1) does, when there is no command line.
            Args if process.args.is_empty() => format!("[{}]", stat.comm),
            Args => process.args.join(" "),
            Comm => stat.comm.clone(),
            BoundingCaps => capabilities(status.capbnd.unwrap_or(0)),
            EffectiveCaps => capabilities(status.capeff),
            InheritedCaps => capabilities(status.capinh),
            PermittedCaps => capabilities(status.capprm),
            AmbientCaps => capabilities(status.capamb.unwrap_or(0)),
            Elapsed => go_duration(process.elapsed(system)),
            Group => named(&names.inside_groups, gid(status.egid)),
            Groups => groups(&names.inside_groups, &gid),
            HostGroup => named(&names.outside_groups, status.egid),
            HostGroups => groups(&names.outside_groups, &|gid| gid),
            HostPid => stat.pid.to_string(),
            HostUser => named(&names.outside, status.euid),
            Label => process.label.clone(),
            Nice => stat.nice.to_string(),
            Cpu => percentage(process.cpu(system), process.elapsed(system)),
            Pgid => inner(status.nspgid.as_deref(), stat.pgrp),
            Pid => process.inner_pid().to_string(),
            // A parent outside, such as that of an exec'd process, has no number inside.
            Ppid => all
                .iter()
                .find(|other| other.stat.pid == stat.ppid)
                .map_or(0, |parent| parent.inner_pid())
                .to_string(),
            RealGroup => named(&names.inside_groups, gid(status.rgid)),
            RealUser => named(&names.inside, uid(status.ruid)),
            Resident => status.vmrss.unwrap_or(0).to_string(),
            Seccomp => match status.seccomp {
                Some(0) | None => "disabled",
                Some(1) => "strict",
                Some(_) => "filter",
            }
            .to_owned(),
            State => stat.state.to_string(),
            Started => moment(process.started(system)),
            Time => go_duration(process.cpu(system)),
            Tty => terminal(stat.tty_nr),
            User => named(&names.inside, uid(status.euid)),
            Virtual => (stat.vsize / 1024).to_string(),
            Gid => gid(status.egid).to_string(),
            Uid => uid(status.euid).to_string(),
        }
    }
}

fn inner(inside: Option<&[i32]>, outside: i32) -> String {
    inside.and_then(|numbers| numbers.last()).copied().unwrap_or(outside).to_string()
}

fn percentage(cpu: Duration, elapsed: Duration) -> String {
    let share = if elapsed.is_zero() { 0.0 } else { cpu.as_secs_f64() / elapsed.as_secs_f64() * 100.0 };
    format!("{share:.3}")
}

/// `none`, `full`, or names without `CAP_`.
fn capabilities(set: u64) -> String {
    use oci_spec::runtime::Capability;
    let all = crate::spec::CAPABILITIES;
    if set == 0 {
        return "none".to_owned();
    }
    let has = |number: usize| set & (1 << number) != 0;
    if (0..all.len()).all(has) {
        return "full".to_owned();
    }
    let names: Vec<String> = all
        .iter()
        .enumerate()
        .filter(|(number, _)| has(*number))
        .map(|(_, cap): (_, &Capability)| cap.to_string())
        .collect();
    names.join(",")
}

/// tty_nr of proc_pid_stat(5) is a device number: major in bits 8 to 15, minor in the others.
fn terminal(number: i32) -> String {
    let number = number.cast_unsigned();
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
    match major {
        0 => "?".to_owned(),
        // Unix98 pseudo-terminals have eight majors.
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        _ => format!("{major}:{minor}"),
    }
}

fn moment(time: SystemTime) -> String {
    let text = clock::rfc3339(time);
    format!("{} {} +0000 UTC", &text[..10], &text[11..19])
}

/// Go's `time.Duration` as text: `1h2m3.5s`, `12ms`, `0s`.
pub fn go_duration(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    let fraction = |value: u64, digits: usize, unit: &str| {
        let scale = 10_u64.pow(digits as u32);
        let text = format!("{}.{:0digits$}", value / scale, value % scale);
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match (seconds, nanos) {
        (0, 0) => "0s".to_owned(),
        (0, 0..1_000) => format!("{nanos}ns"),
        (0, 1_000..1_000_000) => fraction(nanos.into(), 3, "\u{b5}s"),
        (0, _) => fraction(nanos.into(), 6, "ms"),
        _ => {
            let rest = fraction(seconds % 60 * 1_000_000_000 + u64::from(nanos), 9, "s");
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => rest,
                (0, minutes) => format!("{minutes}m{rest}"),
                (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(parse(&words(&["pid,user", "%C"])).unwrap(), [Pid, User, Cpu]);
        assert!(parse(&words(&["aux"])).is_err());
        for (name, _, header, column) in TABLE {
            assert_eq!(parse(&words(&[name])).unwrap(), [column]);
            assert_eq!(column.header(), header);
        }
    }

    /// Go's own output.
    #[test]
    fn durations() {
        for (nanos, expected) in [
            (0, "0s"),
            (5, "5ns"),
            (1_500, "1.5\u{b5}s"),
            (939_328_031, "939.328031ms"),
            (10_000_000, "10ms"),
            (1_939_285_431, "1.939285431s"),
            (60_000_000_000, "1m0s"),
            (3_732_497_061_672, "1h2m12.497061672s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), expected);
        }
    }

    #[test]
    fn terminals() {
        for (number, expected) in
            [(0, "?"), (34816, "pts/0"), (34819, "pts/3"), (1025, "tty1"), (1088, "ttyS0")]
        {
            assert_eq!(terminal(number), expected);
        }
    }

    #[test]
    fn shares() {
        assert_eq!(percentage(Duration::from_secs(1), Duration::from_secs(4)), "25.000");
        assert_eq!(percentage(Duration::ZERO, Duration::ZERO), "0.000");
    }
}
