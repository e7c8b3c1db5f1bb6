//! cgroup v2: all files in one directory; what v1 has and v2 has not stays 0.

use std::path::Path;

use super::{
    Blkio, BlkioEntry, Counter, Cpu, CpuUsage, Cpuset, Detail, Hugetlb, Memory, Pressure, PressureLine,
    Throttling, limit, number, page_sizes, pids, text,
};
use crate::file;
use crate::stats::table;

pub(super) fn read(path: &Path) -> Detail {
    let sizes = page_sizes(path, "current").into_iter().filter(|size| !size.ends_with("rsvd"));
    Detail {
        cpu: cpu(&text(path, "cpu.stat"), pressure(&text(path, "cpu.pressure"))),
        cpuset: Cpuset::default(),
        memory: memory(path),
        pids: pids(path),
        blkio: Blkio { psi: pressure(&text(path, "io.pressure")), ..blkio(&text(path, "io.stat")) },
        hugetlb: sizes.map(|size| hugetlb(path, size)).collect(),
    }
}

/// The file counts in microseconds.
fn cpu(stat: &str, psi: Option<Pressure>) -> Cpu {
    let of = |key| file::field(stat, key).unwrap_or(0);
    Cpu {
        usage: CpuUsage {
            total: of("usage_usec") * 1000,
            kernel: of("system_usec") * 1000,
            user: of("user_usec") * 1000,
            ..CpuUsage::default()
        },
        throttling: Throttling {
            periods: of("nr_periods"),
            throttled_periods: of("nr_throttled"),
            throttled_time: of("throttled_usec") * 1000,
        },
        psi,
    }
}

fn memory(path: &Path) -> Memory {
    let raw = table(&text(path, "memory.stat"));
    let usage = Counter {
        limit: limit(path, "memory.max"),
        usage: number(path, "memory.current"),
        max: number(path, "memory.peak"),
        failcnt: file::field(&text(path, "memory.events"), "max").unwrap_or(0),
    };
    let swap = Counter {
        limit: limit(path, "memory.swap.max"),
        usage: number(path, "memory.swap.current"),
        max: number(path, "memory.swap.peak"),
        failcnt: file::field(&text(path, "memory.swap.events"), "max").unwrap_or(0),
    };
    // As on v1, where swap is counted together with memory.
    let swap =
        Counter { limit: swap.limit.saturating_add(usage.limit), usage: swap.usage + usage.usage, ..swap };
    Memory {
        cache: raw.get("file").copied().unwrap_or(0),
        usage,
        swap,
        kernel: Counter::default(),
        kernel_tcp: Counter::default(),
        raw,
        psi: pressure(&text(path, "memory.pressure")),
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and a line that begins with `full`.
fn pressure(text: &str) -> Option<Pressure> {
    let line = |kind: &str| {
        let words = text.lines().find_map(|line| line.strip_prefix(kind)).unwrap_or_default();
        let of =
            |key: &str| words.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let average = |key| of(key).and_then(|n| n.parse().ok()).unwrap_or(0.0);
        PressureLine {
            avg10: average("avg10"),
            avg60: average("avg60"),
            avg300: average("avg300"),
            total: of("total").and_then(|n| n.parse().ok()).unwrap_or(0),
        }
    };
    (!text.is_empty()).then(|| Pressure { some: line("some"), full: line("full") })
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 …`, in v1's words.
fn blkio(stat: &str) -> Blkio {
    let mut blkio = Blkio::default();
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        let device = words.next().and_then(|device| device.split_once(':'));
        let Some((Ok(major), Ok(minor))) = device.map(|(major, minor)| (major.parse(), minor.parse())) else {
            continue;
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut blkio.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut blkio.io_service_bytes_recursive, "Write"),
                "rios" => (&mut blkio.io_serviced_recursive, "Read"),
                "wios" => (&mut blkio.io_serviced_recursive, "Write"),
                _ => continue,
            };
            list.push(BlkioEntry { major, minor, op: op.to_owned(), value: value.parse().unwrap_or(0) });
        }
    }
    blkio
}

fn hugetlb(path: &Path, size: String) -> (String, Hugetlb) {
    let counted = Hugetlb {
        usage: number(path, &format!("hugetlb.{size}.current")),
        max: 0,
        failcnt: file::field(&text(path, &format!("hugetlb.{size}.events")), "max").unwrap_or(0),
    };
    (size, counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_lines() {
        assert_eq!(pressure(""), None);
        let text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        let line = |avg10, avg60, total| PressureLine { avg10, avg60, avg300: 0.0, total };
        let expected = Pressure { some: line(1.5, 0.25, 77), full: line(0.0, 0.0, 5) };
        assert_eq!(pressure(text), Some(expected));
    }

    #[test]
    fn block_io() {
        let blkio = blkio("254:1 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\nno device\n");
        let show = |list: &[BlkioEntry]| {
            list.iter().map(|e| format!("{}:{} {} {}", e.major, e.minor, e.op, e.value)).collect::<Vec<_>>()
        };
        assert_eq!(show(&blkio.io_service_bytes_recursive), ["254:1 Read 1", "254:1 Write 2"]);
        assert_eq!(show(&blkio.io_serviced_recursive), ["254:1 Read 3", "254:1 Write 4"]);
    }

    #[test]
    fn times_are_in_nanoseconds() {
        let cpu = cpu("usage_usec 5\nuser_usec 3\nsystem_usec 2\nthrottled_usec 7\n", None);
        assert_eq!((cpu.usage.total, cpu.usage.user, cpu.usage.kernel), (5000, 3000, 2000));
        assert_eq!(cpu.throttling.throttled_time, 7000);
    }
}
