//! Limits, as they were asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<i64>,
    /// Bytes, memory included; None: twice the memory; Some(-1): no limit.
    pub memory_swap: Option<i64>,
    pub memory_reservation: Option<i64>,
    /// 0 to 100; cgroup v1 alone.
    pub memory_swappiness: Option<u64>,
    /// Processes wait for memory instead of being killed: cgroup v1 alone.
    pub oom_kill_disable: bool,
    /// CPUs, e.g. 1.5.
    pub cpus: Option<f64>,
    /// Microseconds; in place of `cpus`.
    pub cpu_period: Option<u64>,
    /// Microseconds of CPU time in each period; -1: no limit.
    pub cpu_quota: Option<i64>,
    /// Microseconds, of real-time scheduling: cgroup v1 alone.
    pub cpu_rt_period: Option<u64>,
    pub cpu_rt_runtime: Option<i64>,
    pub cpu_shares: Option<u64>,
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    /// None: 2048, podman's default; Some(0) and below: no limit.
    pub pids: Option<i64>,
    /// Bytes of /dev/shm; None: 64 MiB.
    pub shm_size: Option<i64>,
    /// Bytes of /run and /run/lock in systemd's mode; None: half of the host's memory.
    pub shm_size_systemd: Option<i64>,
    pub block: BlockIo,
    /// `--cgroup-conf`: files of cgroup v2 and what is written to them.
    pub unified: BTreeMap<String, String>,
    /// Class of service below resctrl's file system.
    pub rdt_class: Option<String>,
    pub ulimits: Vec<Ulimit>,
    /// `--ulimit host`: what has no ulimit of its own keeps ketch's.
    pub ulimits_of_host: bool,
    pub oom_score_adj: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// `nofile`
    pub name: String,
    /// -1: no limit.
    pub soft: i64,
    pub hard: i64,
}

/// Limits of block devices, each by the path of its node on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockIo {
    /// 10 to 1000, relative to other cgroups.
    pub weight: Option<u16>,
    pub weights: Vec<BlockLimit>,
    /// Bytes a second.
    pub read_bps: Vec<BlockLimit>,
    pub write_bps: Vec<BlockLimit>,
    /// Operations a second.
    pub read_iops: Vec<BlockLimit>,
    pub write_iops: Vec<BlockLimit>,
}

impl BlockIo {
    /// All that name a device, with the flag that did.
    pub fn by_device(&self) -> [(&'static str, &[BlockLimit]); 5] {
        [
            ("--blkio-weight-device", &self.weights),
            ("--device-read-bps", &self.read_bps),
            ("--device-write-bps", &self.write_bps),
            ("--device-read-iops", &self.read_iops),
            ("--device-write-iops", &self.write_iops),
        ]
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockLimit {
    pub device: PathBuf,
    pub value: u64,
}

/// `--device-cgroup-rule 'TYPE MAJOR:MINOR ACCESS'`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// `a`, `b` or `c`.
    pub kind: char,
    /// None: all, which is written `*`.
    pub major: Option<i64>,
    pub minor: Option<i64>,
    /// Of `r`, `w` and `m`.
    pub access: String,
}
