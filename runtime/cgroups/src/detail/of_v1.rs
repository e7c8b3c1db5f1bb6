//! cgroup v1: each controller's files in its own hierarchy.

use std::path::Path;

use super::{
    Blkio, BlkioEntry, Counter, Cpu, CpuUsage, Cpuset, Detail, Hugetlb, Memory, Throttling, limit, number,
    page_sizes, pids, text,
};
use crate::file;
use crate::stats::table;

pub(super) fn read<'a>(of: impl Fn(&str) -> Option<&'a Path>) -> Detail {
    Detail {
        cpu: Cpu {
            usage: of("cpuacct").map(cpu_usage).unwrap_or_default(),
            throttling: of("cpu").map(throttling).unwrap_or_default(),
            psi: None,
        },
        cpuset: of("cpuset").map(cpuset).unwrap_or_default(),
        memory: of("memory").map(memory).unwrap_or_default(),
        pids: of("pids").map(pids).unwrap_or_default(),
        blkio: of("blkio").map(blkio).unwrap_or_default(),
        hugetlb: of("hugetlb")
            .map(|path| {
                page_sizes(path, "limit_in_bytes").into_iter().map(|size| hugetlb(path, size)).collect()
            })
            .unwrap_or_default(),
    }
}

/// `cpuacct.stat` counts in ticks of USER_HZ, which is 100 to every program.
const TICK: u64 = 1_000_000_000 / 100;

fn cpu_usage(path: &Path) -> CpuUsage {
    let stat = text(path, "cpuacct.stat");
    let ticks = |key| file::field(&stat, key).unwrap_or(0) * TICK;
    // `cpu user system`, and a line a CPU.
    let all = text(path, "cpuacct.usage_all");
    let column = |n: usize| {
        all.lines().skip(1).filter_map(|line| line.split_whitespace().nth(n)?.parse().ok()).collect()
    };
    CpuUsage {
        total: number(path, "cpuacct.usage"),
        percpu: text(path, "cpuacct.usage_percpu")
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect(),
        percpu_kernel: column(2),
        percpu_user: column(1),
        kernel: ticks("system"),
        user: ticks("user"),
    }
}

fn throttling(path: &Path) -> Throttling {
    let stat = text(path, "cpu.stat");
    let of = |key| file::field(&stat, key).unwrap_or(0);
    Throttling {
        periods: of("nr_periods"),
        throttled_periods: of("nr_throttled"),
        throttled_time: of("throttled_time"),
    }
}

fn cpuset(path: &Path) -> Cpuset {
    let of = |name: &str| number(path, &format!("cpuset.{name}"));
    Cpuset {
        cpus: list(&text(path, "cpuset.cpus")),
        cpu_exclusive: of("cpu_exclusive"),
        mems: list(&text(path, "cpuset.mems")),
        mem_hardwall: of("mem_hardwall"),
        mem_exclusive: of("mem_exclusive"),
        memory_migrate: of("memory_migrate"),
        memory_spread_page: of("memory_spread_page"),
        memory_spread_slab: of("memory_spread_slab"),
        memory_pressure: of("memory_pressure"),
        sched_load_balance: of("sched_load_balance"),
        sched_relax_domain_level: text(path, "cpuset.sched_relax_domain_level").trim().parse().unwrap_or(0),
    }
}

/// `0-2,5` as `[0, 1, 2, 5]`.
fn list(text: &str) -> Vec<u32> {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

fn memory(path: &Path) -> Memory {
    let raw = table(&text(path, "memory.stat"));
    let counter = |part: &str| Counter {
        limit: limit(path, &format!("memory.{part}limit_in_bytes")),
        usage: number(path, &format!("memory.{part}usage_in_bytes")),
        max: number(path, &format!("memory.{part}max_usage_in_bytes")),
        failcnt: number(path, &format!("memory.{part}failcnt")),
    };
    Memory {
        cache: raw.get("cache").copied().unwrap_or(0),
        usage: counter(""),
        swap: counter("memsw."),
        kernel: counter("kmem."),
        kernel_tcp: counter("kmem.tcp."),
        raw,
        psi: None,
    }
}

/// BFQ's own count where it is the scheduler of a device, else what the throttling layer sees.
fn blkio(path: &Path) -> Blkio {
    let entries = |name: &str| {
        let bfq = entries(&text(path, &format!("blkio.bfq.{name}")));
        if bfq.is_empty() { entries(&text(path, &format!("blkio.throttle.{name}"))) } else { bfq }
    };
    Blkio {
        io_service_bytes_recursive: entries("io_service_bytes_recursive"),
        io_serviced_recursive: entries("io_serviced_recursive"),
        psi: None,
    }
}

/// Lines such as `8:0 Read 4096`; the sum over all devices, which has no number, is passed over.
fn entries(text: &str) -> Vec<BlkioEntry> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let (major, minor) = words.next()?.split_once(':')?;
        let (op, value) = (words.next()?, words.next()?);
        Some(BlkioEntry {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            op: op.to_owned(),
            value: value.parse().ok()?,
        })
    };
    text.lines().filter_map(entry).collect()
}

fn hugetlb(path: &Path, size: String) -> (String, Hugetlb) {
    let of = |what: &str| number(path, &format!("hugetlb.{size}.{what}"));
    let counted =
        Hugetlb { usage: of("usage_in_bytes"), max: of("max_usage_in_bytes"), failcnt: of("failcnt") };
    (size, counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        for (text, expected) in
            [("", &[][..]), ("\n", &[]), ("0\n", &[0]), ("0-2,5\n", &[0, 1, 2, 5]), ("x,3", &[3])]
        {
            assert_eq!(list(text), expected, "{text:?}");
        }
    }

    #[test]
    fn block_io() {
        let entry = |op: &str, value| BlkioEntry { major: 8, minor: 16, op: op.to_owned(), value };
        assert_eq!(
            entries("8:16 Read 4096\n8:16 Total 4100\nTotal 4100\n"),
            [entry("Read", 4096), entry("Total", 4100)]
        );
    }
}
