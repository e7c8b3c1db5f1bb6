//! What a cgroup uses, in one shape for both versions.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Location, file, v1};

/// None where the controller is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    pub cpu: Option<Cpu>,
    pub memory: Option<Memory>,
    pub pids: Option<Pids>,
    /// One entry a device.
    pub io: Vec<Io>,
}

/// CPU time in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpu {
    pub usage: u64,
    pub user: u64,
    pub system: u64,
    /// Time on each CPU; v1 only.
    pub per_cpu: Vec<u64>,
    /// Enforcement periods, those in which the quota was used up, and the time spent waiting for the next.
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_time: u64,
}

/// Bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    pub usage: u64,
    /// None: no limit.
    pub limit: Option<u64>,
    /// The highest usage so far.
    pub peak: Option<u64>,
    /// Swap alone, also on v1.
    pub swap: Option<u64>,
    /// Pages of files that could be dropped: what `stats` commands take off `usage`.
    pub inactive_file: u64,
    /// How often a limit was reached: `memory.failcnt`, or `max` of `memory.events`.
    pub limit_hits: u64,
    pub oom_kills: u64,
    /// All of `memory.stat`, in this version's names.
    pub detail: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pids {
    pub current: u64,
    /// None: no limit.
    pub limit: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Io {
    pub major: u32,
    pub minor: u32,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub reads: u64,
    pub writes: u64,
}

/// What most want to know, from half of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in nanoseconds; `system`: of these in the kernel, on v2 only, where it is in the same file.
    pub cpu: u64,
    pub system: u64,
    /// Bytes: see [`Memory`].
    pub memory: u64,
    pub inactive_file: u64,
    pub memory_limit: Option<u64>,
    pub pids: u64,
    /// Bytes; the counts are not read on v1.
    pub io: Vec<Io>,
}

/// What cannot be read is 0.
pub(crate) fn usage(location: &Location) -> Usage {
    match &location.paths[..] {
        [path] if location.v2 => {
            let cpu = text(path, "cpu.stat").map(|stat| cpu_v2(&stat)).unwrap_or_default();
            let inactive = text(path, "memory.stat").and_then(|stat| file::field(&stat, "inactive_file"));
            Usage {
                cpu: cpu.usage,
                system: cpu.system,
                memory: number(path, "memory.current").unwrap_or(0),
                inactive_file: inactive.unwrap_or(0),
                memory_limit: number(path, "memory.max"),
                pids: number(path, "pids.current").unwrap_or(0),
                io: text(path, "io.stat").map(|stat| io_v2(&stat)).unwrap_or_default(),
            }
        }
        paths => {
            let of = |controller, name| number(v1::hierarchy(paths, controller)?, name);
            let text = |controller, name| text(v1::hierarchy(paths, controller)?, name);
            let inactive = text("memory", "memory.stat");
            let bytes = text("blkio", "blkio.throttle.io_service_bytes_recursive").unwrap_or_default();
            Usage {
                cpu: of("cpuacct", "cpuacct.usage").unwrap_or(0),
                system: 0,
                memory: of("memory", "memory.usage_in_bytes").unwrap_or(0),
                inactive_file: inactive
                    .and_then(|stat| file::field(&stat, "total_inactive_file"))
                    .unwrap_or(0),
                memory_limit: of("memory", "memory.limit_in_bytes").filter(|limit| *limit < UNLIMITED),
                pids: of("pids", "pids.current").unwrap_or(0),
                io: io_v1_of(&bytes, ""),
            }
        }
    }
}

pub(crate) fn read(location: &Location) -> Stats {
    match &location.paths[..] {
        [path] if location.v2 => read_v2(path),
        paths => {
            let of = |controller| v1::hierarchy(paths, controller);
            Stats {
                cpu: of("cpuacct").and_then(|cpuacct| cpu_v1(cpuacct, of("cpu"))),
                memory: of("memory").and_then(memory_v1),
                pids: of("pids").and_then(pids),
                io: of("blkio").map(io_v1).unwrap_or_default(),
            }
        }
    }
}

/// How many processes the kernel's OOM killer has ended; the count outlives them.
///
/// v1 counts those of this cgroup alone (Linux 4.13), v2 those of sub-cgroups too.
pub(crate) fn oom_kills(location: &Location) -> Option<u64> {
    let path = match &location.paths[..] {
        [path] if location.v2 => path.join("memory.events"),
        paths => v1::hierarchy(paths, "memory")?.join("memory.oom_control"),
    };
    file::field(&file::read(&path).ok()?, "oom_kill")
}

fn read_v2(path: &Path) -> Stats {
    Stats {
        cpu: text(path, "cpu.stat").map(|stat| cpu_v2(&stat)),
        memory: memory_v2(path),
        pids: pids(path),
        io: text(path, "io.stat").map(|stat| io_v2(&stat)).unwrap_or_default(),
    }
}

fn cpu_v1(cpuacct: &Path, cpu: Option<&Path>) -> Option<Cpu> {
    let throttling = cpu.and_then(|cpu| text(cpu, "cpu.stat")).unwrap_or_default();
    let numbers = |name| {
        let text = text(cpuacct, name).unwrap_or_default();
        text.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<u64>>()
    };
    Some(Cpu {
        usage: number(cpuacct, "cpuacct.usage")?,
        user: number(cpuacct, "cpuacct.usage_user").unwrap_or(0),
        system: number(cpuacct, "cpuacct.usage_sys").unwrap_or(0),
        per_cpu: numbers("cpuacct.usage_percpu"),
        periods: file::field(&throttling, "nr_periods").unwrap_or(0),
        throttled_periods: file::field(&throttling, "nr_throttled").unwrap_or(0),
        throttled_time: file::field(&throttling, "throttled_time").unwrap_or(0),
    })
}

/// v2 counts microseconds.
fn cpu_v2(stat: &str) -> Cpu {
    let of = |key| file::field(stat, key).unwrap_or(0);
    Cpu {
        usage: of("usage_usec") * 1000,
        user: of("user_usec") * 1000,
        system: of("system_usec") * 1000,
        per_cpu: Vec::new(),
        periods: of("nr_periods"),
        throttled_periods: of("nr_throttled"),
        throttled_time: of("throttled_usec") * 1000,
    }
}

/// A limit that no machine reaches: LONG_MAX rounded down to a page (of up to 64 KiB).
const UNLIMITED: u64 = i64::MAX as u64 & !0xffff;

fn memory_v1(path: &Path) -> Option<Memory> {
    let usage = number(path, "memory.usage_in_bytes")?;
    let detail = table(&text(path, "memory.stat").unwrap_or_default());
    Some(Memory {
        usage,
        limit: number(path, "memory.limit_in_bytes").filter(|limit| *limit < UNLIMITED),
        peak: number(path, "memory.max_usage_in_bytes"),
        swap: detail.get("total_swap").or(detail.get("swap")).copied(),
        inactive_file: detail.get("total_inactive_file").copied().unwrap_or(0),
        limit_hits: number(path, "memory.failcnt").unwrap_or(0),
        oom_kills: text(path, "memory.oom_control").and_then(|t| file::field(&t, "oom_kill")).unwrap_or(0),
        detail,
    })
}

fn memory_v2(path: &Path) -> Option<Memory> {
    let usage = number(path, "memory.current")?;
    let detail = table(&text(path, "memory.stat").unwrap_or_default());
    let events = text(path, "memory.events").unwrap_or_default();
    Some(Memory {
        usage,
        limit: number(path, "memory.max"),
        peak: number(path, "memory.peak"),
        swap: number(path, "memory.swap.current"),
        inactive_file: detail.get("inactive_file").copied().unwrap_or(0),
        limit_hits: file::field(&events, "max").unwrap_or(0),
        oom_kills: file::field(&events, "oom_kill").unwrap_or(0),
        detail,
    })
}

/// The same files in both versions.
fn pids(path: &Path) -> Option<Pids> {
    Some(Pids { current: number(path, "pids.current")?, limit: number(path, "pids.max") })
}

fn io_v1(path: &Path) -> Vec<Io> {
    let bytes = text(path, "blkio.throttle.io_service_bytes_recursive").unwrap_or_default();
    let counts = text(path, "blkio.throttle.io_serviced_recursive").unwrap_or_default();
    io_v1_of(&bytes, &counts)
}

fn io_v1_of(bytes: &str, counts: &str) -> Vec<Io> {
    let mut devices = BTreeMap::new();
    for line in bytes.lines() {
        match io_v1_line(&mut devices, line) {
            Some((io, "Read", n)) => io.read_bytes = n,
            Some((io, "Write", n)) => io.write_bytes = n,
            _ => {}
        }
    }
    for line in counts.lines() {
        match io_v1_line(&mut devices, line) {
            Some((io, "Read", n)) => io.reads = n,
            Some((io, "Write", n)) => io.writes = n,
            _ => {}
        }
    }
    devices.into_values().collect()
}

/// `8:0 Read 4096`
fn io_v1_line<'a, 'b>(
    devices: &'a mut BTreeMap<(u32, u32), Io>,
    line: &'b str,
) -> Option<(&'a mut Io, &'b str, u64)> {
    let mut words = line.split_whitespace();
    let io = device(devices, words.next()?)?;
    Some((io, words.next()?, words.next()?.parse().ok()?))
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 …`
fn io_v2(stat: &str) -> Vec<Io> {
    let mut devices = BTreeMap::new();
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        let Some(io) = words.next().and_then(|name| device(&mut devices, name)) else { continue };
        for (key, n) in words.filter_map(|word| word.split_once('=')) {
            let n = n.parse().unwrap_or(0);
            match key {
                "rbytes" => io.read_bytes = n,
                "wbytes" => io.write_bytes = n,
                "rios" => io.reads = n,
                "wios" => io.writes = n,
                _ => {}
            }
        }
    }
    devices.into_values().collect()
}

fn device<'a>(devices: &'a mut BTreeMap<(u32, u32), Io>, name: &str) -> Option<&'a mut Io> {
    let (major, minor) = name.split_once(':')?;
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    Some(devices.entry((major, minor)).or_insert_with(|| Io { major, minor, ..Io::default() }))
}

fn text(path: &Path, name: &str) -> Option<String> {
    file::read(&path.join(name)).ok()
}

/// None for `max` too.
fn number(path: &Path, name: &str) -> Option<u64> {
    file::read_line(&path.join(name)).ok()?.parse().ok()
}

pub(crate) fn table(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_of_both_versions() {
        let bytes = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\nTotal 12288\n";
        let want = Io { major: 8, minor: 0, read_bytes: 4096, write_bytes: 8192, reads: 1, writes: 2 };
        assert_eq!(io_v1_of(bytes, "8:0 Read 1\n8:0 Write 2\nTotal 3\n"), [want]);

        let want = Io { major: 254, minor: 1, read_bytes: 1, write_bytes: 2, reads: 3, writes: 4 };
        assert_eq!(io_v2("254:1 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n"), [want]);
    }

    #[test]
    fn cpu_of_v2_is_in_nanoseconds() {
        let stat =
            "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 9\nnr_throttled 1\nthrottled_usec 7\n";
        let cpu = cpu_v2(stat);
        assert_eq!((cpu.usage, cpu.user, cpu.system), (5000, 3000, 2000));
        assert_eq!((cpu.periods, cpu.throttled_periods, cpu.throttled_time), (9, 1, 7000));
    }
}
