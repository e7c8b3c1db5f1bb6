//! One process as procfs shows it, and what its numbers mean.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ketch_runtime::plan::ids::Maps;
use ketch_sys::Errno;
use nix::unistd::{SysconfVar, sysconf};
use procfs::Current;
use procfs::process::{Stat, Status};

use super::TopError;

#[derive(Debug)]
pub(super) struct Process {
    pub(super) stat: Stat,
    pub(super) status: Status,
    pub(super) args: Vec<String>,
    pub(super) label: String,
}

impl Process {
    /// None: it has ended.
    pub(super) fn read(pid: i32) -> Option<Process> {
        let process = procfs::process::Process::new(pid).ok()?;
        let label = std::fs::read_to_string(format!("/proc/{pid}/attr/current")).unwrap_or_default();
        Some(Process {
            stat: process.stat().ok()?,
            status: process.status().ok()?,
            // A zombie has none.
            args: process.cmdline().unwrap_or_default(),
            label: label.trim_end_matches(['\0', '\n']).to_owned(),
        })
    }

    /// Its number in the innermost pid namespace, which is the container's unless it makes its own.
    pub(super) fn inner_pid(&self) -> i32 {
        self.status.nspid.as_ref().and_then(|pids| pids.last()).copied().unwrap_or(self.stat.pid)
    }

    pub(super) fn cpu(&self, system: &System) -> Duration {
        system.ticks(self.stat.utime + self.stat.stime)
    }

    pub(super) fn started(&self, system: &System) -> SystemTime {
        system.boot + system.ticks(self.stat.starttime)
    }

    pub(super) fn elapsed(&self, system: &System) -> Duration {
        system.now.duration_since(self.started(system)).unwrap_or_default()
    }
}

/// The machine's clock.
#[derive(Debug)]
pub(super) struct System {
    boot: SystemTime,
    now: SystemTime,
    per_second: u64,
}

impl System {
    pub(super) fn read() -> Result<System, TopError> {
        let now = SystemTime::now();
        let uptime = procfs::Uptime::current()?.uptime_duration();
        let per_second = sysconf(SysconfVar::CLK_TCK).map_err(TopError::Clock)?;
        let per_second =
            per_second.and_then(|rate| u64::try_from(rate).ok()).ok_or(TopError::Clock(Errno::EINVAL))?;
        Ok(System { boot: now.checked_sub(uptime).unwrap_or(UNIX_EPOCH), now, per_second })
    }

    fn ticks(&self, count: u64) -> Duration {
        Duration::from_nanos(count.saturating_mul(1_000_000_000 / self.per_second))
    }
}

/// Users and groups by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Of a container in a user namespace of its own.
    pub(super) ids: Option<Maps>,
    pub(super) inside: HashMap<u32, String>,
    pub(super) inside_groups: HashMap<u32, String>,
    pub(super) outside: HashMap<u32, String>,
    pub(super) outside_groups: HashMap<u32, String>,
}

/// `name:…:number:…` lines; the first of a number wins.
pub(super) fn names(file: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in String::from_utf8_lossy(file).lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(number)) =
            (fields.next(), fields.nth(1).and_then(|number| number.parse().ok()))
        {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}
