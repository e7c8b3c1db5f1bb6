//! What both versions of cgroups have in common: the order of the groups, and the files with the same name and meaning.

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxHugepageLimit, LinuxMemory, LinuxNetwork, LinuxRdma, LinuxResources,
};

use super::{Missing, Write, Writes, convert};
use crate::Error;

/// How a version says those groups that the other says in another way. What it has no word for, it refuses.
pub(super) struct Version {
    pub(super) memory: fn(&LinuxMemory, &mut Writes) -> Result<(), Error>,
    pub(super) cpu: fn(&LinuxCpu, &mut Writes) -> Result<(), Error>,
    pub(super) block_io: fn(&LinuxBlockIo, &mut Writes) -> Result<(), Error>,
    pub(super) hugetlb: fn(&LinuxHugepageLimit, &mut Writes) -> Result<(), Error>,
    pub(super) network: fn(&LinuxNetwork, &mut Writes) -> Result<(), Error>,
    pub(super) unified: fn(&LinuxResources, &mut Writes) -> Result<(), Error>,
}

pub(super) fn plan(resources: &LinuxResources, version: &Version) -> Result<Vec<Write>, Error> {
    let mut writes = Writes::default();
    if let Some(memory) = resources.memory() {
        (version.memory)(memory, &mut writes)?;
    }
    if let Some(cpu) = resources.cpu() {
        (version.cpu)(cpu, &mut writes)?;
        cpuset(cpu, &mut writes);
    }
    if let Some(limit) = resources.pids().map(|pids| pids.limit()).filter(|limit| *limit != 0) {
        writes.push("pids.limit", "pids.max", &convert::limit(limit));
    }
    if let Some(io) = resources.block_io() {
        (version.block_io)(io, &mut writes)?;
    }
    for limit in resources.hugepage_limits().iter().flatten() {
        (version.hugetlb)(limit, &mut writes)?;
    }
    if let Some(network) = resources.network() {
        (version.network)(network, &mut writes)?;
    }
    for (device, limits) in resources.rdma().iter().flatten() {
        rdma(device, *limits, &mut writes);
    }
    (version.unified)(resources, &mut writes)?;
    Ok(writes.0)
}

fn cpuset(cpu: &LinuxCpu, writes: &mut Writes) {
    if let Some(cpus) = cpu.cpus().as_deref().filter(|list| !list.is_empty()) {
        writes.push("cpu.cpus", "cpuset.cpus", &cpus);
    }
    if let Some(mems) = cpu.mems().as_deref().filter(|list| !list.is_empty()) {
        writes.push("cpu.mems", "cpuset.mems", &mems);
    }
}

pub(super) fn idle(cpu: &LinuxCpu, writes: &mut Writes) {
    if let Some(idle) = cpu.idle() {
        writes.push_or("cpu.idle", "cpu.idle", &idle, Missing::unless(idle != 0));
    }
}

fn rdma(device: &str, limits: LinuxRdma, writes: &mut Writes) {
    let mut line = device.to_owned();
    for (key, value) in [("hca_handle", limits.hca_handles()), ("hca_object", limits.hca_objects())] {
        if let Some(value) = value {
            line.push_str(&format!(" {key}={value}"));
        }
    }
    writes.push("rdma", "rdma.max", &line);
}

impl Missing {
    /// Passed over, unless the value changes what a kernel without the file does.
    pub(super) fn unless(changes: bool) -> Missing {
        if changes { Missing::Refuse } else { Missing::PassOver }
    }
}
