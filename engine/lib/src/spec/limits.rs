//! `linux.resources` and the process's rlimits.

use ketch_cgroups::Delegated;
use ketch_runtime::spec::{
    LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, PosixRlimit, PosixRlimitBuilder,
    PosixRlimitType as Type,
};
use ketch_sys::rlimit::Resource;

use super::{SpecError, capabilities};
use crate::container::options::{Limits, Options, Ulimit};

/// podman's defaults.
const PIDS: i64 = 2048;
const NOFILE: u64 = 1 << 20;
const NPROC: u64 = 1 << 22;
/// Microseconds: the kernel's own default.
const CPU_PERIOD: u64 = 100_000;
const CPU_SHARES: u64 = 1024;

const NAMES: [(&str, Type, Resource); 16] = [
    ("as", Type::RlimitAs, Resource::As),
    ("core", Type::RlimitCore, Resource::Core),
    ("cpu", Type::RlimitCpu, Resource::Cpu),
    ("data", Type::RlimitData, Resource::Data),
    ("fsize", Type::RlimitFsize, Resource::Fsize),
    ("locks", Type::RlimitLocks, Resource::Locks),
    ("memlock", Type::RlimitMemlock, Resource::Memlock),
    ("msgqueue", Type::RlimitMsgqueue, Resource::Msgqueue),
    ("nice", Type::RlimitNice, Resource::Nice),
    ("nofile", Type::RlimitNofile, Resource::Nofile),
    ("nproc", Type::RlimitNproc, Resource::Nproc),
    ("rss", Type::RlimitRss, Resource::Rss),
    ("rtprio", Type::RlimitRtprio, Resource::Rtprio),
    ("rttime", Type::RlimitRttime, Resource::Rttime),
    ("sigpending", Type::RlimitSigpending, Resource::Sigpending),
    ("stack", Type::RlimitStack, Resource::Stack),
];

/// ketch's own hard limit for one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimit {
    pub kind: Type,
    pub hard: u64,
}

/// Whether `name` (`nofile`) is a resource with a limit.
pub fn is_ulimit(name: &str) -> bool {
    NAMES.iter().any(|(known, ..)| *known == name)
}

/// The host's hard limits that [`rlimits`] will ask for.
pub(super) fn of_host(limits: &Limits) -> Result<Vec<HostLimit>, SpecError> {
    let asked = limits.ulimits.iter().map(|ulimit| ulimit.name.as_str());
    let defaults = ["nofile", "nproc"].into_iter().filter(|_| !limits.ulimits_of_host);
    let mut host: Vec<HostLimit> = Vec::with_capacity(limits.ulimits.len() + 2);
    for name in defaults.chain(asked) {
        let (kind, resource) = find(name)?;
        if !host.iter().any(|limit| limit.kind == kind) {
            let (_, hard) = ketch_sys::rlimit::get(0, resource)
                .map_err(|source| SpecError::Kernel { what: "resource limits", source })?;
            host.push(HostLimit { kind, hard });
        }
    }
    Ok(host)
}

/// The process's limits: podman's nofile and nproc as far as the host's hard limits go, then what was asked for.
///
/// A limit above the host's needs `CAP_SYS_RESOURCE`, and is refused without: `setrlimit` in the container would fail.
pub(super) fn rlimits(limits: &Limits, host: &[HostLimit], held: u64) -> Result<Vec<PosixRlimit>, SpecError> {
    let hard_of = |kind| host.iter().find(|limit| limit.kind == kind).map_or(u64::MAX, |limit| limit.hard);
    let mut list = Vec::new();
    if !limits.ulimits_of_host {
        for (kind, wanted) in [(Type::RlimitNofile, NOFILE), (Type::RlimitNproc, NPROC)] {
            let limit = wanted.min(hard_of(kind));
            list.push(rlimit(kind, limit, limit));
        }
    }
    for Ulimit { name, soft, hard } in &limits.ulimits {
        let (kind, _) = find(name)?;
        let (soft, hard) = (unsigned(*soft), unsigned(*hard));
        if soft > hard {
            return Err(SpecError::SoftAboveHard(name.clone()));
        }
        let limit = hard_of(kind);
        if hard > limit && !capabilities::holds(held, ketch_runtime::spec::Capability::SysResource) {
            let wanted = if hard == u64::MAX { "unlimited".to_owned() } else { hard.to_string() };
            return Err(SpecError::UlimitTooHigh { name: name.clone(), wanted, limit });
        }
        list.retain(|have| have.typ() != kind);
        list.push(rlimit(kind, soft, hard));
    }
    Ok(list)
}

/// Refuses limits that no cgroup is there for.
pub(super) fn check(options: &Options, cgroups: &Delegated) -> Result<(), SpecError> {
    let Delegated::Nothing(reason) = cgroups else { return Ok(()) };
    let limits = &options.limits;
    let asked = [
        ("--memory", limits.memory.is_some_and(|bytes| bytes > 0)),
        ("--memory-swap", limits.memory_swap.is_some_and(|bytes| bytes > 0)),
        ("--memory-reservation", limits.memory_reservation.is_some_and(|bytes| bytes > 0)),
        ("--cpus", limits.cpus.is_some_and(|cpus| cpus > 0.0)),
        ("--cpu-period", limits.cpu_period.is_some_and(|period| period > 0)),
        ("--cpu-quota", limits.cpu_quota.is_some_and(|quota| quota > 0)),
        ("--cpu-rt-period", limits.cpu_rt_period.is_some_and(|period| period > 0)),
        ("--cpu-rt-runtime", limits.cpu_rt_runtime.is_some_and(|runtime| runtime != 0)),
        ("--memory-swappiness", limits.memory_swappiness.is_some()),
        ("--oom-kill-disable", limits.oom_kill_disable),
        ("--blkio-weight", limits.block.weight.is_some()),
        ("--cgroup-conf", !limits.unified.is_empty()),
        ("--device-cgroup-rule", !options.device_rules.is_empty()),
        ("--cpu-shares", limits.cpu_shares.is_some_and(|shares| shares > 0)),
        ("--cpuset-cpus", limits.cpuset_cpus.is_some()),
        ("--cpuset-mems", limits.cpuset_mems.is_some()),
        ("--pids-limit", limits.pids.is_some_and(|pids| pids > 0)),
        ("--cgroup-parent", options.cgroup_parent.is_some()),
    ];
    let by_device = limits.block.by_device().map(|(flag, devices)| (flag, !devices.is_empty()));
    match asked.into_iter().chain(by_device).find(|(_, asked)| *asked) {
        Some((flag, _)) => Err(SpecError::NoCgroup { flag, reason: reason.clone() }),
        None => Ok(()),
    }
}

/// Memory, CPU and pids; devices are set by the caller. podman's limit of processes is left out where the controller for
/// it was not given to the user.
pub(super) fn resources(limits: &Limits, cgroups: &Delegated) -> LinuxResources {
    let mut resources = LinuxResources::default();
    let has_pids = match cgroups {
        Delegated::Root => true,
        Delegated::Below { controllers, .. } => controllers.iter().any(|name| name == "pids"),
        Delegated::Nothing(_) => return resources,
    };
    let pids = limits.pids.unwrap_or(if has_pids { PIDS } else { 0 });
    if pids > 0 {
        let mut limit = LinuxPids::default();
        limit.set_limit(pids);
        resources.set_pids(Some(limit));
    }
    resources.set_memory(memory(limits));
    resources.set_cpu(cpu(limits));
    if !limits.unified.is_empty() {
        resources.set_unified(Some(limits.unified.clone().into_iter().collect()));
    }
    resources
}

/// What of a pod's limits its cgroup has; None: nothing. Looks up the numbers of block devices.
pub fn shared(limits: &Limits) -> Result<Option<LinuxResources>, SpecError> {
    let (memory, cpu) = (memory(limits), cpu(limits));
    let block = super::block::limits(&limits.block, &super::block::read(&limits.block)?);
    if memory.is_none() && cpu.is_none() && block.is_none() {
        return Ok(None);
    }
    let mut resources = LinuxResources::default();
    resources.set_memory(memory).set_cpu(cpu).set_block_io(block);
    Ok(Some(resources))
}

/// What is to be written to a running container's cgroup that has `old` for it to have `new`; a limit that is gone is written
/// as none.
pub fn changes(old: &Limits, new: &Limits, devices: &[super::block::Numbers]) -> LinuxResources {
    let (was, is) = (spelled(old), spelled(new));
    let mut changes = LinuxResources::default();
    if was.memory() != is.memory() {
        changes.set_memory(*is.memory());
    }
    if was.pids() != is.pids() {
        changes.set_pids(*is.pids());
    }
    if let (Some(was), Some(is)) = (was.cpu(), is.cpu()) {
        let mut cpu = LinuxCpu::default();
        cpu.set_shares(is.shares().filter(|_| was.shares() != is.shares()));
        // One is nothing without the other.
        if (was.quota(), was.period()) != (is.quota(), is.period()) {
            cpu.set_quota(is.quota()).set_period(is.period());
        }
        cpu.set_realtime_period(
            is.realtime_period().filter(|_| was.realtime_period() != is.realtime_period()),
        );
        cpu.set_realtime_runtime(
            is.realtime_runtime().filter(|_| was.realtime_runtime() != is.realtime_runtime()),
        );
        cpu.set_cpus(is.cpus().clone().filter(|_| was.cpus() != is.cpus()));
        cpu.set_mems(is.mems().clone().filter(|_| was.mems() != is.mems()));
        changes.set_cpu(Some(cpu).filter(|cpu| *cpu != LinuxCpu::default()));
    }
    if old.block != new.block {
        changes.set_block_io(super::block::limits(&new.block, devices));
    }
    changes
}

/// With every limit that can be taken away again, none being the kernel's word for it.
fn spelled(limits: &Limits) -> LinuxResources {
    let mut resources = LinuxResources::default();
    let mut of_memory = memory(limits).unwrap_or_default();
    let (limit, swap) = (of_memory.limit().unwrap_or(-1), of_memory.swap().unwrap_or(-1));
    of_memory.set_limit(Some(limit)).set_swap(Some(swap));
    let mut of_cpu = cpu(limits).unwrap_or_default();
    let (quota, period) = (of_cpu.quota().unwrap_or(-1), of_cpu.period().unwrap_or(CPU_PERIOD));
    let shares = of_cpu.shares().unwrap_or(CPU_SHARES);
    of_cpu.set_shares(Some(shares)).set_quota(Some(quota)).set_period(Some(period));
    let mut pids = LinuxPids::default();
    pids.set_limit(Some(limits.pids.unwrap_or(PIDS)).filter(|limit| *limit > 0).unwrap_or(-1));
    resources.set_memory(Some(of_memory)).set_cpu(Some(of_cpu)).set_pids(Some(pids));
    resources
}

/// 0 is no limit. Without a limit for swap the container may swap as much as it may have in memory.
fn memory(limits: &Limits) -> Option<LinuxMemory> {
    let limit = limits.memory.filter(|bytes| *bytes > 0);
    let swap = limits.memory_swap.filter(|bytes| *bytes != 0).or(limit.map(|bytes| bytes.saturating_mul(2)));
    let reservation = limits.memory_reservation.filter(|bytes| *bytes > 0);
    let (swappiness, waits) = (limits.memory_swappiness, Some(true).filter(|_| limits.oom_kill_disable));
    if (limit, swap, reservation) == (None, None, None) && swappiness.is_none() && waits.is_none() {
        return None;
    }
    let mut memory = LinuxMemory::default();
    memory.set_limit(limit).set_swap(swap).set_reservation(reservation);
    memory.set_swappiness(swappiness).set_disable_oom_killer(waits);
    Some(memory)
}

fn cpu(limits: &Limits) -> Option<LinuxCpu> {
    let of_cpus = limits.cpus.filter(|cpus| *cpus > 0.0).map(|cpus| (cpus * CPU_PERIOD as f64) as i64);
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(limits.cpu_shares.filter(|shares| *shares > 0));
    cpu.set_quota(of_cpus.or(limits.cpu_quota.filter(|quota| *quota != 0)));
    cpu.set_period(of_cpus.map(|_| CPU_PERIOD).or(limits.cpu_period.filter(|period| *period != 0)));
    cpu.set_realtime_period(limits.cpu_rt_period.filter(|period| *period != 0));
    cpu.set_realtime_runtime(limits.cpu_rt_runtime.filter(|runtime| *runtime != 0));
    cpu.set_cpus(limits.cpuset_cpus.clone()).set_mems(limits.cpuset_mems.clone());
    Some(cpu).filter(|cpu| *cpu != LinuxCpu::default())
}

fn find(name: &str) -> Result<(Type, Resource), SpecError> {
    let found = NAMES.iter().find(|(known, ..)| *known == name);
    found
        .map(|(_, kind, resource)| (*kind, *resource))
        .ok_or_else(|| SpecError::UnknownUlimit(name.to_owned()))
}

/// -1 is no limit.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn rlimit(kind: Type, soft: u64, hard: u64) -> PosixRlimit {
    let limit = PosixRlimitBuilder::default().typ(kind).soft(soft).hard(hard).build();
    limit.expect("every field has a default")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHOUT: u64 = 0;
    const WITH: u64 = 1 << 24;

    fn ulimit(name: &str, soft: i64, hard: i64) -> Ulimit {
        Ulimit { name: name.to_owned(), soft, hard }
    }

    #[test]
    fn ulimits() {
        let host = [
            HostLimit { kind: Type::RlimitNofile, hard: 20_000 },
            HostLimit { kind: Type::RlimitNproc, hard: u64::MAX },
            HostLimit { kind: Type::RlimitCore, hard: u64::MAX },
        ];
        let cases: &[(Vec<Ulimit>, bool, u64, Result<&str, &str>)] = &[
            (vec![], false, WITHOUT, Ok("NOFILE=20000:20000 NPROC=4194304:4194304")),
            (vec![], true, WITHOUT, Ok("")),
            (vec![ulimit("nofile", 100, 200)], false, WITHOUT, Ok("NPROC=4194304:4194304 NOFILE=100:200")),
            (
                vec![ulimit("core", -1, -1)],
                true,
                WITHOUT,
                Ok("CORE=18446744073709551615:18446744073709551615"),
            ),
            (
                vec![ulimit("nofile", 1, 20_001)],
                true,
                WITHOUT,
                Err("cannot raise ulimit nofile to 20001: the limit here is 20000"),
            ),
            (vec![ulimit("nofile", -1, -1)], true, WITHOUT, Err("cannot raise ulimit nofile to unlimited")),
            (vec![ulimit("nofile", 1, 20_001)], true, WITH, Ok("NOFILE=1:20001")),
            (vec![ulimit("nofile", 5, 3)], true, WITH, Err("must not exceed")),
            (vec![ulimit("bogus", 5, 5)], true, WITH, Err("invalid ulimit type: bogus")),
        ];
        for (ulimits, of_host, held, expected) in cases {
            let limits = Limits { ulimits: ulimits.clone(), ulimits_of_host: *of_host, ..Limits::default() };
            let got = rlimits(&limits, &host, *held).map(|list| {
                let text = |limit: &PosixRlimit| {
                    let name = limit.typ().to_string().replace("RLIMIT_", "");
                    format!("{name}={}:{}", limit.soft(), limit.hard())
                };
                list.iter().map(text).collect::<Vec<_>>().join(" ")
            });
            match (got, expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, *expected),
                (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{got}"),
                (got, expected) => panic!("{ulimits:?}: {got:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn cgroup_limits() {
        let json = |limits: &Limits| serde_json::to_value(resources(limits, &Delegated::Root)).unwrap();
        let mebi = 1 << 20;
        let cases = [
            (Limits::default(), r#"{"pids":{"limit":2048}}"#),
            (Limits { pids: Some(0), ..Limits::default() }, "{}"),
            (Limits { pids: Some(-1), memory: Some(0), ..Limits::default() }, "{}"),
            (
                Limits { pids: Some(0), memory: Some(mebi), ..Limits::default() },
                r#"{"memory":{"limit":1048576,"swap":2097152}}"#,
            ),
            (
                Limits { pids: Some(0), memory: Some(mebi), memory_swap: Some(-1), ..Limits::default() },
                r#"{"memory":{"limit":1048576,"swap":-1}}"#,
            ),
            (
                Limits {
                    pids: Some(100),
                    cpus: Some(1.5),
                    cpu_shares: Some(512),
                    cpuset_cpus: Some("0".to_owned()),
                    ..Limits::default()
                },
                r#"{"pids":{"limit":100},"cpu":{"shares":512,"quota":150000,"period":100000,"cpus":"0"}}"#,
            ),
            (
                Limits {
                    pids: Some(0),
                    cpu_period: Some(50_000),
                    cpu_quota: Some(-1),
                    memory_swappiness: Some(0),
                    unified: [("memory.high".to_owned(), "1".to_owned())].into(),
                    ..Limits::default()
                },
                r#"{"cpu":{"quota":-1,"period":50000},"memory":{"swappiness":0},"unified":{"memory.high":"1"}}"#,
            ),
            (
                Limits { pids: Some(0), oom_kill_disable: true, cpu_quota: Some(0), ..Limits::default() },
                r#"{"memory":{"disableOOMKiller":true}}"#,
            ),
        ];
        for (limits, expected) in cases {
            let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
            let mut got = json(&limits);
            got.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            assert_eq!(got, expected, "{limits:?}");
        }
    }

    /// What is not changed is not written, and what is taken away is written as none.
    #[test]
    fn changes_of_a_running_container() {
        let some = |value: i64| Limits { memory: Some(value), ..Limits::default() };
        let cpus = |cpus| Limits { cpus, ..Limits::default() };
        let cases = [
            (some(64), some(64), "{}"),
            (some(64), some(32), r#"{"memory":{"limit":32,"swap":64}}"#),
            (some(64), Limits::default(), r#"{"memory":{"limit":-1,"swap":-1}}"#),
            (cpus(Some(0.5)), cpus(Some(1.0)), r#"{"cpu":{"quota":100000,"period":100000}}"#),
            (cpus(Some(0.5)), cpus(None), r#"{"cpu":{"quota":-1,"period":100000}}"#),
            (Limits::default(), Limits { pids: Some(0), ..Limits::default() }, r#"{"pids":{"limit":-1}}"#),
            (
                Limits::default(),
                Limits { cpuset_cpus: Some("0".to_owned()), ..Limits::default() },
                r#"{"cpu":{"cpus":"0"}}"#,
            ),
        ];
        for (old, new, expected) in cases {
            let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
            let mut got = serde_json::to_value(changes(&old, &new, &[])).unwrap();
            got.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            assert_eq!(got, expected, "{old:?} to {new:?}");
        }
    }
}
