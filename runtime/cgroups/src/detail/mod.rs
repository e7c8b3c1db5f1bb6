//! All that a cgroup counts, in the shape and words of runc's `events --stats`, which engines read.
//!
//! Times are in nanoseconds, sizes in bytes. What is 0 is left out where runc leaves it out.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::{Location, file, v1};

mod of_v1;
mod of_v2;

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Detail {
    pub cpu: Cpu,
    pub cpuset: Cpuset,
    pub memory: Memory,
    pub pids: Pids,
    pub blkio: Blkio,
    /// By page size: `2MB`.
    pub hugetlb: BTreeMap<String, Hugetlb>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cpu {
    pub usage: CpuUsage,
    pub throttling: Throttling,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// The lists have one entry a CPU, and are empty on v2.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CpuUsage {
    #[serde(skip_serializing_if = "is_zero")]
    pub total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    pub kernel: u64,
    pub user: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    #[serde(skip_serializing_if = "is_zero")]
    pub periods: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_periods: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_time: u64,
}

/// cgroup v2, "Pressure stall information": all zeros on v1 and where the kernel does not count it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Pressure {
    pub some: PressureLine,
    pub full: PressureLine,
}

/// Averages in percent, the total in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PressureLine {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: u64,
}

/// The files of v1's cpuset; on v2 runc shows all of them as 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cpuset {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u32>,
    pub cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u32>,
    pub mem_hardwall: u64,
    pub mem_exclusive: u64,
    pub memory_migrate: u64,
    pub memory_spread_page: u64,
    pub memory_spread_slab: u64,
    pub memory_pressure: u64,
    pub sched_load_balance: u64,
    pub sched_relax_domain_level: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Memory {
    #[serde(skip_serializing_if = "is_zero")]
    pub cache: u64,
    pub usage: Counter,
    /// Memory and swap together, in both versions.
    pub swap: Counter,
    pub kernel: Counter,
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: Counter,
    /// All of `memory.stat`, in this version's words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// No limit is a very large number, in both versions.
    pub limit: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    pub failcnt: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pids {
    #[serde(skip_serializing_if = "is_zero")]
    pub current: u64,
    /// 0: no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blkio {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlkioEntry {
    #[serde(skip_serializing_if = "is_zero")]
    pub major: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub minor: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub value: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Hugetlb {
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    pub failcnt: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What cannot be read is as if it were 0 or not there.
pub(crate) fn read(location: &Location) -> Detail {
    match &location.paths[..] {
        [path] if location.v2 => of_v2::read(path),
        paths => of_v1::read(|controller| v1::hierarchy(paths, controller)),
    }
}

fn text(path: &Path, name: &str) -> String {
    file::read(&path.join(name)).unwrap_or_default()
}

/// `max` is v2's word for no limit.
fn limit(path: &Path, name: &str) -> u64 {
    match text(path, name).trim() {
        "max" => u64::MAX,
        number => number.parse().unwrap_or(0),
    }
}

fn number(path: &Path, name: &str) -> u64 {
    text(path, name).trim().parse().unwrap_or(0)
}

/// The same files in both versions, but for the root, which has none.
fn pids(path: &Path) -> Pids {
    Pids { current: number(path, "pids.current"), limit: number(path, "pids.max") }
}

/// The page sizes that have files in `path`: `hugetlb.<size>.<suffix>`.
fn page_sizes(path: &Path, suffix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let size = |name: String| {
        let size = name.strip_prefix("hugetlb.")?.strip_suffix(suffix)?.strip_suffix('.')?;
        (!size.contains('.')).then(|| size.to_owned())
    };
    entries.filter_map(|entry| size(entry.file_name().into_string().ok()?)).collect()
}
