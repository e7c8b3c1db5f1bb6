//! `stats`: what a container uses, from its cgroup and its init's `/proc/PID/net/dev`.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use ketch_cgroups::Cgroup;
use ketch_monitor::clock;
use ketch_runtime::container::state::Vitals;

use super::options::Network;
use crate::Engine;
use crate::state::containers::Record;

/// One look at a container; all zero for one that does not run.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub taken: SystemTime,
    /// None: it does not run.
    pub started: Option<SystemTime>,
    /// Nanoseconds of CPU time; `system`: of these in the kernel, on cgroup v1 with [`Detail::All`].
    pub cpu: u64,
    pub system: u64,
    /// On each CPU; cgroup v1 only, and with [`Detail::All`].
    pub per_cpu: Vec<u64>,
    /// Bytes, without pages of files that could be dropped.
    pub memory: u64,
    /// Bytes: the container's limit, or the machine's memory where that is less.
    pub memory_limit: u64,
    /// By name, without the loopback; empty for one in the host's network, or in none.
    pub network: BTreeMap<String, Interface>,
    /// Bytes from and to block devices.
    pub block_input: u64,
    pub block_output: u64,
    pub pids: u64,
}

/// How much is read of each container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What the table shows.
    Table,
    All,
}

/// As the container sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interface {
    pub received_bytes: u64,
    pub received_packets: u64,
    pub received_errors: u64,
    pub received_dropped: u64,
    pub sent_bytes: u64,
    pub sent_packets: u64,
    pub sent_errors: u64,
    pub sent_dropped: u64,
}

impl Sample {
    /// Of a container that does not run.
    pub fn nothing() -> Sample {
        Sample {
            taken: SystemTime::now(),
            started: None,
            cpu: 0,
            system: 0,
            per_cpu: Vec::new(),
            memory: 0,
            memory_limit: 0,
            network: BTreeMap::new(),
            block_input: 0,
            block_output: 0,
            pids: 0,
        }
    }

    /// Percent of one CPU since `before`; without that, since the start.
    pub fn cpu_percent(&self, before: Option<&Sample>) -> f64 {
        // Of another run it says nothing.
        match before.filter(|before| before.started == self.started) {
            Some(before) => percent(self.cpu.saturating_sub(before.cpu), Some(before.taken), self.taken),
            None => percent(self.cpu, self.started, self.taken),
        }
    }

    pub fn memory_percent(&self) -> f64 {
        if self.memory_limit == 0 { 0.0 } else { self.memory as f64 / self.memory_limit as f64 * 100.0 }
    }
}

fn percent(nanoseconds: u64, from: Option<SystemTime>, to: SystemTime) -> f64 {
    let span = from.and_then(|from| to.duration_since(from).ok()).unwrap_or_default().as_nanos();
    if span == 0 { 0.0 } else { nanoseconds as f64 / span as f64 * 100.0 }
}

/// Never fails: what cannot be read is 0, as for a container that has just ended. `machine` is [`memory_of_machine`].
pub fn sample(engine: &Engine, record: &Record, detail: Detail, machine: u64) -> Sample {
    let mut sample = Sample::nothing();
    let Ok(state) = Vitals::load_vitals(&engine.paths.runtime(), &record.id) else { return sample };
    if !state.is_alive() {
        return sample;
    }
    let cgroup = Cgroup::open(state.cgroup);
    let used = cgroup.usage();
    sample.started = clock::parse(state.created.as_bytes());
    (sample.cpu, sample.system) = (used.cpu, used.system);
    if detail == Detail::All
        && let Some(cpu) = cgroup.stats().cpu
    {
        (sample.cpu, sample.system, sample.per_cpu) = (cpu.usage, cpu.system, cpu.per_cpu);
    }
    sample.memory = used.memory.saturating_sub(used.inactive_file);
    sample.memory_limit = used.memory_limit.map_or(machine, |limit| limit.min(machine));
    sample.pids = used.pids;
    for io in used.io {
        sample.block_input += io.read_bytes;
        sample.block_output += io.write_bytes;
    }
    // `none` has nothing but the loopback.
    if !matches!(record.options.network, Network::Host | Network::None) {
        // Gone with init.
        sample.network =
            interfaces(&fs::read_to_string(format!("/proc/{}/net/dev", state.pid)).unwrap_or_default());
    }
    sample
}

/// Bytes of memory that this machine has; 0 when it does not tell.
pub fn memory_of_machine() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// proc_pid_net(5): `  eth0: bytes packets errs drop fifo frame compressed multicast`, and eight more for what was sent.
fn interfaces(text: &str) -> BTreeMap<String, Interface> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> = numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        let number = |index: usize| numbers.get(index).copied();
        let interface = Interface {
            received_bytes: number(0)?,
            received_packets: number(1)?,
            received_errors: number(2)?,
            received_dropped: number(3)?,
            sent_bytes: number(8)?,
            sent_packets: number(9)?,
            sent_errors: number(10)?,
            sent_dropped: number(11)?,
        };
        Some((name.trim().to_owned(), interface)).filter(|(name, _)| name != "lo")
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn network() {
        let text = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
  eth0:100 2 3 4 5 6 7 8 900 10 11 12 13 14 15 16
";
        let found = interfaces(text);
        let expected = Interface {
            received_bytes: 100,
            received_packets: 2,
            received_errors: 3,
            received_dropped: 4,
            sent_bytes: 900,
            sent_packets: 10,
            sent_errors: 11,
            sent_dropped: 12,
        };
        assert_eq!(found, BTreeMap::from([("eth0".to_owned(), expected)]));
    }

    #[test]
    fn percentages() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let sample = |taken, started, cpu| Sample {
            taken: at(taken),
            started: Some(at(started)),
            cpu,
            system: 0,
            per_cpu: Vec::new(),
            memory: 1,
            memory_limit: 4,
            network: BTreeMap::new(),
            block_input: 0,
            block_output: 0,
            pids: 0,
        };
        let now = sample(14, 10, 3_000_000_000);
        for (before, expected) in [
            (None, 75.0),
            (Some(sample(12, 10, 2_000_000_000)), 50.0),
            // Of the run before.
            (Some(sample(12, 5, 2_000_000_000)), 75.0),
            (Some(sample(14, 10, 2_000_000_000)), 0.0),
        ] {
            assert_eq!(now.cpu_percent(before.as_ref()), expected);
        }
        assert_eq!(now.memory_percent(), 25.0);
    }
}
