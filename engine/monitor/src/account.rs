//! What a container has used, for a command that wants to know when the container is gone already.
//!
//! Nothing is measured unless [`Handed::account`](crate::spawn::Handed) asks for it. The numbers come from the container's
//! cgroup just before it is removed; what that does not count, or a container without one, from getrusage(2).

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ketch_cgroups::{Cgroup, Location, Stats};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

/// In the monitor, for the engine's `cleanup`.
#[derive(Debug)]
pub struct Account {
    /// Where the report goes.
    pub report: OwnedFd,
    /// The upper directory of the root's overlay; None: nobody wants to know what is in it.
    pub upper: Option<OwnedFd>,
    pub used: Used,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Nanoseconds since init was let go.
    pub wall: u64,
    pub timed_out: bool,
    pub cpu: Measured<Cpu>,
    pub memory: Measured<Memory>,
    pub io: Measured<Io>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured<T> {
    pub source: Source,
    pub value: T,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// All of the container's processes.
    Cgroup,
    /// init and those that were waited for; of memory, the largest of them.
    #[default]
    Rusage,
}

/// Nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    pub user: u64,
    pub system: u64,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub peak: u64,
}

/// Bytes from and to block devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Io {
    pub read: u64,
    pub written: u64,
}

impl Account {
    pub(crate) fn new(report: Option<OwnedFd>, upper: Option<OwnedFd>) -> Option<Account> {
        report.map(|report| Account { report, upper, used: Used::default() })
    }

    /// Once init has ended and was waited for, before its cgroups are removed.
    pub(crate) fn settle(&mut self, location: Option<&Location>, begun: Instant, timed_out: bool) {
        let wall = begun.elapsed();
        let stats = location.map(|location| Cgroup::open(location.clone()).stats()).unwrap_or_default();
        let counts_io = location.is_some_and(counts_io);
        // It fails for a wrong argument alone.
        let of_children = getrusage(UsageWho::RUSAGE_CHILDREN).ok();
        self.used = used(&stats, counts_io, of_children, wall, timed_out);
    }
}

/// Without its controller there is no file for it.
fn counts_io(location: &Location) -> bool {
    let there = |path: &PathBuf| {
        path.join(if location.v2 { "io.stat" } else { "blkio.throttle.io_service_bytes_recursive" }).exists()
    };
    location.paths.iter().any(there)
}

fn used(stats: &Stats, counts_io: bool, rusage: Option<Usage>, wall: Duration, timed_out: bool) -> Used {
    /// getrusage(2)
    const BLOCK: i64 = 512;
    const KIB: i64 = 1024;
    let positive = |number: i64| u64::try_from(number).unwrap_or(0);
    let cpu = match &stats.cpu {
        Some(cpu) => Measured { source: Source::Cgroup, value: Cpu { user: cpu.user, system: cpu.system } },
        None => of_rusage(rusage, |usage| Cpu {
            user: positive(usage.user_time().num_nanoseconds()),
            system: positive(usage.system_time().num_nanoseconds()),
        }),
    };
    let memory = match stats.memory.as_ref().and_then(|memory| memory.peak) {
        Some(peak) => Measured { source: Source::Cgroup, value: Memory { peak } },
        None => of_rusage(rusage, |usage| Memory { peak: positive(usage.max_rss().saturating_mul(KIB)) }),
    };
    let io = if counts_io {
        let read = stats.io.iter().map(|io| io.read_bytes).sum();
        let written = stats.io.iter().map(|io| io.write_bytes).sum();
        Measured { source: Source::Cgroup, value: Io { read, written } }
    } else {
        of_rusage(rusage, |usage| Io {
            read: positive(usage.block_reads().saturating_mul(BLOCK)),
            written: positive(usage.block_writes().saturating_mul(BLOCK)),
        })
    };
    Used { wall: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX), timed_out, cpu, memory, io }
}

fn of_rusage<T: Default>(rusage: Option<Usage>, value: impl FnOnce(Usage) -> T) -> Measured<T> {
    Measured { source: Source::Rusage, value: rusage.map(value).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_that_is_there_is_believed() {
        let io = ketch_cgroups::Io { read_bytes: 3, write_bytes: 4, ..Default::default() };
        let stats = Stats {
            cpu: Some(ketch_cgroups::Cpu { user: 1, system: 2, ..Default::default() }),
            memory: Some(ketch_cgroups::Memory { peak: Some(9), ..Default::default() }),
            pids: None,
            io: vec![io.clone(), io],
        };
        let all = used(&stats, true, None, Duration::from_nanos(7), false);
        assert_eq!(
            (all.wall, all.cpu.value, all.memory.value),
            (7, Cpu { user: 1, system: 2 }, Memory { peak: 9 })
        );
        assert_eq!(all.io, Measured { source: Source::Cgroup, value: Io { read: 6, written: 8 } });

        let rusage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let none = used(&Stats::default(), false, rusage, Duration::ZERO, true);
        let sources = [none.cpu.source, none.memory.source, none.io.source];
        assert_eq!(sources, [Source::Rusage; 3]);
        assert!(none.memory.value.peak > 4096 && none.timed_out);
    }
}
