//! Resources → cgroup v1 files.
//!
//! Passed over, as runc does: a value of 0 where it means "not given", `memory.kernel` (written to no effect since
//! Linux 5.16), `memory.useHierarchy` (always so since Linux 5.11), `memory.checkBeforeUpdate` (v1 refuses a limit
//! below usage by itself), and `disableOOMKiller: false`.

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxHugepageLimit, LinuxMemory, LinuxNetwork, LinuxResources,
};

use super::version::{self, Version};
use super::{Missing, Write, Writes, convert, refuse};
use crate::Error;

const V1: Version = Version { memory, cpu, block_io, hugetlb, network, unified };

pub(crate) fn plan(resources: &LinuxResources) -> Result<Vec<Write>, Error> {
    version::plan(resources, &V1)
}

fn memory(memory: &LinuxMemory, writes: &mut Writes) -> Result<(), Error> {
    let limit = memory.limit().unwrap_or(0);
    // Taking the memory limit away takes the swap limit with it.
    let swap = match memory.swap().unwrap_or(0) {
        0 if limit == -1 => -1,
        swap => swap,
    };
    if limit > 0 && swap > 0 && swap < limit {
        return convert::swap_below_memory();
    }
    if limit != 0 {
        writes.push("memory.limit", "memory.limit_in_bytes", &limit);
    }
    if swap != 0 {
        // A kernel that does not count swap does not limit it either.
        let missing = if swap == -1 { Missing::PassOver } else { Missing::Refuse };
        writes.push_or("memory.swap", "memory.memsw.limit_in_bytes", &swap, missing);
    }
    if let Some(soft) = memory.reservation().filter(|soft| *soft != 0) {
        writes.push("memory.reservation", "memory.soft_limit_in_bytes", &soft);
    }
    if let Some(buffers) = memory.kernel_tcp().filter(|buffers| *buffers != 0) {
        writes.push("memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", &buffers);
    }
    match memory.swappiness() {
        None => {}
        Some(swappiness @ 0..=100) => {
            writes.push("memory.swappiness", "memory.swappiness", &swappiness);
        }
        Some(other) => return refuse("memory.swappiness", format!("{other} is not between 0 and 100")),
    }
    if memory.disable_oom_killer() == Some(true) {
        writes.push("memory.disableOOMKiller", "memory.oom_control", &1);
    }
    Ok(())
}

fn cpu(cpu: &LinuxCpu, writes: &mut Writes) -> Result<(), Error> {
    match cpu.shares() {
        None | Some(0) => {}
        Some(shares @ 2..=262_144) => {
            writes.push("cpu.shares", "cpu.shares", &shares);
        }
        // The kernel would take the nearest end of its range without a word.
        Some(other) => return refuse("cpu.shares", format!("{other} is not between 2 and 262144")),
    }
    if let Some(period) = cpu.period().filter(|period| *period != 0) {
        writes.push("cpu.period", "cpu.cfs_period_us", &period);
    }
    if let Some(quota) = cpu.quota().filter(|quota| *quota != 0) {
        writes.push("cpu.quota", "cpu.cfs_quota_us", &quota);
    }
    if let Some(burst) = cpu.burst() {
        writes.push_or("cpu.burst", "cpu.cfs_burst_us", &burst, Missing::unless(burst != 0));
    }
    if let Some(period) = cpu.realtime_period().filter(|period| *period != 0) {
        writes.push("cpu.realtimePeriod", "cpu.rt_period_us", &period);
    }
    if let Some(runtime) = cpu.realtime_runtime().filter(|runtime| *runtime != 0) {
        writes.push("cpu.realtimeRuntime", "cpu.rt_runtime_us", &runtime);
    }
    version::idle(cpu, writes);
    Ok(())
}

/// Weights live in `blkio.weight` with the CFQ scheduler (until Linux 5.0) and in `blkio.bfq.weight` since.
fn block_io(io: &LinuxBlockIo, writes: &mut Writes) -> Result<(), Error> {
    let bfq = |file: &str, value: &str| Missing::Try { file: file.into(), value: value.into() };
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        let weight = weight.to_string();
        writes.push_or("blockIO.weight", "blkio.weight", &weight, bfq("blkio.bfq.weight", &weight));
    }
    if let Some(weight) = io.leaf_weight().filter(|weight| *weight != 0) {
        writes.push("blockIO.leafWeight", "blkio.leaf_weight", &weight);
    }
    for device in io.weight_device().iter().flatten() {
        let (major, minor) = (device.major(), device.minor());
        if let Some(weight) = device.weight().filter(|weight| *weight != 0) {
            let line = format!("{major}:{minor} {weight}");
            let other = bfq("blkio.bfq.weight_device", &line);
            writes.push_or("blockIO.weightDevice", "blkio.weight_device", &line, other);
        }
        if let Some(weight) = device.leaf_weight().filter(|weight| *weight != 0) {
            let line = format!("{major}:{minor} {weight}");
            writes.push("blockIO.weightDevice.leafWeight", "blkio.leaf_weight_device", &line);
        }
    }
    for (field, file, devices) in [
        ("throttleReadBpsDevice", "read_bps", io.throttle_read_bps_device()),
        ("throttleWriteBpsDevice", "write_bps", io.throttle_write_bps_device()),
        ("throttleReadIOPSDevice", "read_iops", io.throttle_read_iops_device()),
        ("throttleWriteIOPSDevice", "write_iops", io.throttle_write_iops_device()),
    ] {
        for device in devices.iter().flatten() {
            let line = format!("{}:{} {}", device.major(), device.minor(), device.rate());
            writes.push(&format!("blockIO.{field}"), format!("blkio.throttle.{file}_device"), &line);
        }
    }
    Ok(())
}

fn hugetlb(limit: &LinuxHugepageLimit, writes: &mut Writes) -> Result<(), Error> {
    let size = convert::page_size(limit.page_size())?;
    writes.push("hugepageLimits", format!("hugetlb.{size}.limit_in_bytes"), &limit.limit());
    // Reservations are counted since Linux 5.7, and would otherwise get past the limit.
    let reserved = format!("hugetlb.{size}.rsvd.limit_in_bytes");
    writes.push_or("hugepageLimits", reserved, &limit.limit(), Missing::PassOver);
    Ok(())
}

fn network(network: &LinuxNetwork, writes: &mut Writes) -> Result<(), Error> {
    if let Some(class) = network.class_id().filter(|class| *class != 0) {
        writes.push("network.classID", "net_cls.classid", &class);
    }
    for priority in network.priorities().iter().flatten() {
        let line = format!("{} {}", priority.name(), priority.priority());
        writes.push("network.priorities", "net_prio.ifpriomap", &line);
    }
    Ok(())
}

fn unified(resources: &LinuxResources, _writes: &mut Writes) -> Result<(), Error> {
    match resources.unified() {
        Some(files) if !files.is_empty() => refuse("unified", "this host has cgroup v1"),
        _ => Ok(()),
    }
}
