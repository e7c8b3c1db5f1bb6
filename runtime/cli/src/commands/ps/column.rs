//! The columns of `ps`, as procps names and prints them.

use ketch_sys::clock::local_time;
use nix::unistd::{Gid, Group, Uid, User};

use super::process::{Now, Process};

/// A column: what `-o` calls it, its header, its least width, the side it is pushed to, and its cells.
#[derive(Debug)]
pub(crate) struct Kind {
    names: &'static [&'static str],
    pub header: &'static str,
    pub width: usize,
    pub side: Side,
    pub cell: fn(&Process, Now) -> String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

use Side::{Left, Right};

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    Kind { names: &["pid", "tgid"],        header: "PID",     width: 5, side: Right, cell: |p, _| p.pid.to_string() },
    Kind { names: &["ppid"],               header: "PPID",    width: 5, side: Right, cell: |p, _| p.ppid.to_string() },
    Kind { names: &["pgid", "pgrp"],       header: "PGID",    width: 5, side: Right, cell: |p, _| p.pgid.to_string() },
    Kind { names: &["sid", "sess"],        header: "SID",     width: 5, side: Right, cell: |p, _| p.sid.to_string() },
    Kind { names: &["uid", "euid"],        header: "UID",     width: 5, side: Right, cell: |p, _| p.uid.to_string() },
    Kind { names: &["gid", "egid"],        header: "GID",     width: 5, side: Right, cell: |p, _| p.gid.to_string() },
    Kind { names: &["user", "euser", "uname"], header: "USER", width: 8, side: Left, cell: |p, _| user(p) },
    Kind { names: &["group", "egroup"],    header: "GROUP",   width: 8, side: Left,  cell: |p, _| group(p) },
    Kind { names: &["comm", "ucmd"],       header: "COMMAND", width: 15, side: Left, cell: |p, _| p.name.clone() },
    Kind { names: &["args", "command"],    header: "COMMAND", width: 27, side: Left, cell: |p, _| p.command.clone() },
    Kind { names: &["cmd"],                header: "CMD",     width: 27, side: Left, cell: |p, _| p.command.clone() },
    Kind { names: &["s", "state"],         header: "S",       width: 1, side: Left,  cell: |p, _| p.state.to_string() },
    Kind { names: &["stat"],               header: "STAT",    width: 4, side: Left,  cell: |p, _| status(p) },
    Kind { names: &["tty", "tt", "tname"], header: "TTY",     width: 8, side: Left,  cell: |p, _| terminal(p.tty) },
    Kind { names: &["time", "cputime"],    header: "TIME",    width: 8, side: Right, cell: cpu_time },
    Kind { names: &["etime"],              header: "ELAPSED", width: 11, side: Right, cell: |p, now| clock(age(p, now), 2) },
    Kind { names: &["etimes"],             header: "ELAPSED", width: 7, side: Right, cell: |p, now| age(p, now).to_string() },
    Kind { names: &["stime", "start_time"], header: "STIME", width: 5, side: Right, cell: start_time },
    Kind { names: &["start", "bsdstart"],  header: "START",   width: 5, side: Right, cell: start_time },
    Kind { names: &["bsdtime"],            header: "TIME",    width: 6, side: Right, cell: minutes },
    Kind { names: &["c"],                  header: "C",       width: 2, side: Right, cell: |p, now| (share(p, now) / 10).to_string() },
    Kind { names: &["pcpu", "%cpu"],       header: "%CPU",    width: 4, side: Right, cell: |p, now| tenths(share(p, now)) },
    Kind { names: &["pmem", "%mem"],       header: "%MEM",    width: 4, side: Right, cell: |p, now| tenths(p.resident * now.page_size * 1000 / now.memory.max(1)) },
    Kind { names: &["rss", "rssize"],      header: "RSS",     width: 5, side: Right, cell: |p, now| (p.resident * now.page_size / 1024).to_string() },
    Kind { names: &["vsz", "vsize"],       header: "VSZ",     width: 6, side: Right, cell: |p, _| (p.virtual_size / 1024).to_string() },
    Kind { names: &["nlwp", "thcount"],    header: "NLWP",    width: 4, side: Right, cell: |p, _| p.threads.to_string() },
    Kind { names: &["ni", "nice"],         header: "NI",      width: 3, side: Right, cell: |p, _| p.nice.to_string() },
];

/// The UID column of `-f`, which shows names.
const FULL_USER: Kind = Kind { names: &[], header: "UID", width: 8, side: Left, cell: |p, _| user(p) };

/// The CMD column of plain `ps`, which shows names.
const SHORT_COMMAND: Kind =
    Kind { names: &[], header: "CMD", width: 15, side: Left, cell: |p, _| p.name.clone() };

pub(crate) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.names.contains(&name))
}

/// `ps -f`.
pub(crate) fn full() -> Vec<&'static Kind> {
    let named = ["pid", "ppid", "c", "stime", "tty", "time", "cmd"];
    std::iter::once(&FULL_USER).chain(named.into_iter().filter_map(find)).collect()
}

/// `ps u`.
pub(crate) fn user_oriented() -> Vec<&'static Kind> {
    ["user", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "start", "bsdtime", "command"]
        .into_iter()
        .filter_map(find)
        .collect()
}

/// `ps` without `-f` and `-o`.
pub(crate) fn short() -> Vec<&'static Kind> {
    ["pid", "tty", "time"].into_iter().filter_map(find).chain(std::iter::once(&SHORT_COMMAND)).collect()
}

/// A user by the host's names; one too long for the column is cut and marked, as procps does.
fn user(process: &Process) -> String {
    let name = User::from_uid(Uid::from_raw(process.uid)).ok().flatten().map(|user| user.name);
    fit(name.unwrap_or_else(|| process.uid.to_string()))
}

fn group(process: &Process) -> String {
    let name = Group::from_gid(Gid::from_raw(process.gid)).ok().flatten().map(|group| group.name);
    fit(name.unwrap_or_else(|| process.gid.to_string()))
}

fn fit(name: String) -> String {
    if name.chars().count() <= 8 { name } else { name.chars().take(7).chain(['+']).collect() }
}

/// The kernel's numbering of terminals (devices.txt): the low and high bits of the minor stand around the major.
fn terminal(device: u32) -> String {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    match (major, minor) {
        (0, 0) => "?".to_owned(),
        (4, minor @ ..64) => format!("tty{minor}"),
        (4, minor) => format!("ttyS{}", minor - 64),
        (5, 1) => "console".to_owned(),
        (136..=143, minor) => format!("pts/{}", (major - 136) * 256 + minor),
        (204, minor @ 64..) => format!("ttyAMA{}", minor - 64),
        (229, minor) => format!("hvc{minor}"),
        _ => format!("{major}:{minor}"),
    }
}

fn age(process: &Process, now: Now) -> u64 {
    now.uptime.saturating_sub(process.started / now.ticks_per_second)
}

/// CPU time by age, in tenths of a percent.
fn share(process: &Process, now: Now) -> u64 {
    process.cpu * 1000 / now.ticks_per_second / age(process, now).max(1)
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

/// The state, and letters for priority, session leaders, threads and the terminal's foreground: ps(1), "Process state codes".
fn status(process: &Process) -> String {
    let marks = [
        (process.nice < 0, '<'),
        (process.nice > 0, 'N'),
        (process.sid == process.pid, 's'),
        (process.threads > 1, 'l'),
        (process.foreground == process.pgid, '+'),
    ];
    std::iter::once(process.state)
        .chain(marks.into_iter().filter_map(|(is, mark)| is.then_some(mark)))
        .collect()
}

/// CPU time as BSD's ps has it.
fn minutes(process: &Process, now: Now) -> String {
    let seconds = process.cpu / now.ticks_per_second;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn cpu_time(process: &Process, now: Now) -> String {
    clock(process.cpu / now.ticks_per_second, 3)
}

/// `[days-]hours:minutes:seconds`, with at least so many parts.
fn clock(seconds: u64, parts: u8) -> String {
    let (days, hours, minutes, seconds) =
        (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) if parts < 3 => format!("{minutes:02}:{seconds:02}"),
        (0, _) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{days}-{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// The time of day for what started today, else the date, else the year.
fn start_time(process: &Process, now: Now) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = |epoch: u64| local_time(epoch.cast_signed());
    let (Ok(started), Ok(today)) = (local(now.epoch - age(process, now)), local(now.epoch)) else {
        return "?".to_owned();
    };
    if started.year != today.year {
        started.year.to_string()
    } else if (started.month, started.day) != (today.month, today.day) {
        format!("{}{:02}", MONTHS[started.month as usize - 1], started.day)
    } else {
        format!("{:02}:{:02}", started.hour, started.minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals() {
        for (device, name) in [
            (0, "?"),
            (0x0401, "tty1"),
            (0x0440, "ttyS0"),
            (0x0501, "console"),
            (0x8803, "pts/3"),
            (0x0010_8803, "pts/259"),
            (0x8900, "pts/256"),
            (0x0700, "7:0"),
        ] {
            assert_eq!(terminal(device), name);
        }
    }

    #[test]
    fn clocks() {
        for (seconds, parts, text) in
            [(0, 3, "00:00:00"), (59, 2, "00:59"), (3661, 2, "01:01:01"), (90_061, 3, "1-01:01:01")]
        {
            assert_eq!(clock(seconds, parts), text);
        }
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(fit("systemd-network".to_owned()), "systemd+");
        assert_eq!(fit("www-data".to_owned()), "www-data");
    }
}
