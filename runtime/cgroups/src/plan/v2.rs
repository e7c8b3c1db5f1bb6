//! Resources → cgroup v2 files.
//!
//! Passed over, as runc does: a value of 0 where it means "not given", `memory.kernel` and `memory.kernelTCP`,
//! `memory.useHierarchy`, `disableOOMKiller: false`, a network class of 0, and a swap limit of nothing or of no
//! bound where the kernel does not count swap. What v2 has no word for is refused: realtime
//! shares, swappiness, disabling the OOM killer, leaf weights, network classes and priorities.

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxHugepageLimit, LinuxMemory, LinuxNetwork, LinuxResources,
};

use super::version::{self, Version};
use super::{Missing, Write, Writes, convert, refuse};
use crate::Error;

const NOT_IN_V2: &str = "cgroup v2 has nothing like it";

const V2: Version = Version { memory, cpu, block_io, hugetlb, network, unified };

pub(crate) fn plan(resources: &LinuxResources) -> Result<Vec<Write>, Error> {
    version::plan(resources, &V2)
}

fn memory(memory: &LinuxMemory, writes: &mut Writes) -> Result<(), Error> {
    let limit = memory.limit().unwrap_or(0);
    if let Some(swap) = convert::swap_max(limit, memory.swap().unwrap_or(0))? {
        let harmless = matches!(swap.as_str(), "0" | "max");
        writes.push_or("memory.swap", "memory.swap.max", &swap, Missing::unless(!harmless));
    }
    if limit != 0 {
        writes.push("memory.limit", "memory.max", &convert::limit(limit));
    }
    if let Some(low) = memory.reservation().filter(|low| *low != 0) {
        writes.push("memory.reservation", "memory.low", &convert::limit(low));
    }
    if memory.swappiness().is_some() {
        return refuse("memory.swappiness", NOT_IN_V2);
    }
    if memory.disable_oom_killer() == Some(true) {
        return refuse("memory.disableOOMKiller", NOT_IN_V2);
    }
    Ok(())
}

fn cpu(cpu: &LinuxCpu, writes: &mut Writes) -> Result<(), Error> {
    // cpu.weight cannot be written while cpu.idle is 1, so idle goes first when it is taken back.
    version::idle(cpu, writes);
    if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
        writes.push("cpu.shares", "cpu.weight", &convert::cpu_weight(shares));
    }
    let (quota, period) = (cpu.quota().unwrap_or(0), cpu.period().unwrap_or(0));
    if quota != 0 || period != 0 {
        let quota = if quota > 0 { quota.to_string() } else { "max".to_owned() };
        let period = if period == 0 { 100_000 } else { period };
        writes.push("cpu.quota", "cpu.max", &format!("{quota} {period}"));
    }
    if let Some(burst) = cpu.burst() {
        writes.push_or("cpu.burst", "cpu.max.burst", &burst, Missing::unless(burst != 0));
    }
    if cpu.realtime_period().is_some_and(|period| period != 0) {
        return refuse("cpu.realtimePeriod", NOT_IN_V2);
    }
    if cpu.realtime_runtime().is_some_and(|runtime| runtime != 0) {
        return refuse("cpu.realtimeRuntime", NOT_IN_V2);
    }
    Ok(())
}

/// Weights go to BFQ where it is the scheduler, as its files are then there, else to `io.weight`.
fn block_io(io: &LinuxBlockIo, writes: &mut Writes) -> Result<(), Error> {
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        let general =
            Missing::Try { file: "io.weight".into(), value: convert::io_weight(weight).to_string() };
        writes.push_or("blockIO.weight", "io.bfq.weight", &weight, general);
    }
    if io.leaf_weight().is_some_and(|weight| weight != 0) {
        return refuse("blockIO.leafWeight", NOT_IN_V2);
    }
    for device in io.weight_device().iter().flatten() {
        let (major, minor) = (device.major(), device.minor());
        if let Some(weight) = device.weight().filter(|weight| *weight != 0) {
            let line = format!("{major}:{minor} {}", convert::io_weight(weight));
            let general = Missing::Try { file: "io.weight".into(), value: line };
            let line = format!("{major}:{minor} {weight}");
            writes.push_or("blockIO.weightDevice", "io.bfq.weight", &line, general);
        }
        if device.leaf_weight().is_some_and(|weight| weight != 0) {
            return refuse("blockIO.weightDevice.leafWeight", NOT_IN_V2);
        }
    }
    for (field, key, devices) in [
        ("throttleReadBpsDevice", "rbps", io.throttle_read_bps_device()),
        ("throttleWriteBpsDevice", "wbps", io.throttle_write_bps_device()),
        ("throttleReadIOPSDevice", "riops", io.throttle_read_iops_device()),
        ("throttleWriteIOPSDevice", "wiops", io.throttle_write_iops_device()),
    ] {
        for device in devices.iter().flatten() {
            // A rate of 0 takes the limit away, as it does on v1; io.max itself says max.
            let rate = if device.rate() == 0 { "max".to_owned() } else { device.rate().to_string() };
            let line = format!("{}:{} {key}={rate}", device.major(), device.minor());
            writes.push(&format!("blockIO.{field}"), "io.max", &line);
        }
    }
    Ok(())
}

fn hugetlb(limit: &LinuxHugepageLimit, writes: &mut Writes) -> Result<(), Error> {
    let (size, value) = (convert::page_size(limit.page_size())?, convert::limit(limit.limit()));
    writes.push("hugepageLimits", format!("hugetlb.{size}.max"), &value);
    let reserved = format!("hugetlb.{size}.rsvd.max");
    writes.push_or("hugepageLimits", reserved, &value, Missing::PassOver);
    Ok(())
}

fn network(network: &LinuxNetwork, _writes: &mut Writes) -> Result<(), Error> {
    if network.class_id().is_some_and(|class| class != 0) {
        return refuse("network.classID", NOT_IN_V2);
    }
    if network.priorities().as_ref().is_some_and(|list| !list.is_empty()) {
        return refuse("network.priorities", NOT_IN_V2);
    }
    Ok(())
}

/// Files of v2 by name, after all else: they have the last word. In order of name, so that two runs do the same.
fn unified(resources: &LinuxResources, writes: &mut Writes) -> Result<(), Error> {
    let mut files: Vec<_> = resources.unified().iter().flatten().collect();
    files.sort_unstable();
    for (file, value) in files {
        if file.contains('/') || !file.contains('.') {
            return refuse("unified", format!("{file:?} is not the name of a cgroup file"));
        }
        // The kernel takes one line a write (io.max has one a device).
        for line in value.lines() {
            writes.push(&format!("unified.{file}"), file.as_str(), &line);
        }
    }
    Ok(())
}
