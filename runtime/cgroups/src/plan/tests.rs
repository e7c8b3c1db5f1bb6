//! Tables: resources, and the writes they become in both versions.

use oci_spec::runtime::LinuxResources;

use super::{Missing, Write, v1, v2};
use crate::Error;

fn show(writes: Result<Vec<Write>, Error>) -> String {
    match writes {
        Ok(writes) => writes.iter().map(line).collect::<Vec<_>>().join(", "),
        Err(error) => format!("refused: {error}"),
    }
}

/// `file=value`, with `?` if the file may be missing, and what is tried then.
fn line(write: &Write) -> String {
    let Write { file, value, .. } = write;
    match &write.missing {
        Missing::Refuse => format!("{file}={value}"),
        Missing::PassOver => format!("{file}={value}?"),
        Missing::Try { file: other, value: its } => format!("{file}={value} or {other}={its}"),
    }
}

const NOT_IN_V2: &str = "cgroup v2 has nothing like it";

#[test]
fn both_versions() {
    for (resources, in_v1, in_v2) in [
        (r"{}", "", ""),
        (
            r#"{"memory":{"limit":0,"swap":0},"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"pids":{"limit":0}}"#,
            "",
            "",
        ),
        (
            r#"{"memory":{"limit":1000,"swap":3000,"reservation":500,"kernel":9,"kernelTCP":9,"disableOOMKiller":false}}"#,
            "memory.limit_in_bytes=1000, memory.memsw.limit_in_bytes=3000, memory.soft_limit_in_bytes=500, memory.kmem.tcp.limit_in_bytes=9",
            "memory.swap.max=2000, memory.max=1000, memory.low=500",
        ),
        (
            r#"{"memory":{"limit":1000,"swap":1000}}"#,
            "memory.limit_in_bytes=1000, memory.memsw.limit_in_bytes=1000",
            "memory.swap.max=0?, memory.max=1000",
        ),
        (
            r#"{"memory":{"limit":-1}}"#,
            "memory.limit_in_bytes=-1, memory.memsw.limit_in_bytes=-1?",
            "memory.swap.max=max?, memory.max=max",
        ),
        (
            r#"{"memory":{"limit":1000,"swap":-1}}"#,
            "memory.limit_in_bytes=1000, memory.memsw.limit_in_bytes=-1?",
            "memory.swap.max=max?, memory.max=1000",
        ),
        (
            r#"{"memory":{"swappiness":60}}"#,
            "memory.swappiness=60",
            &format!("refused: linux.resources.memory.swappiness cannot be honoured here: {NOT_IN_V2}"),
        ),
        (
            r#"{"memory":{"disableOOMKiller":true}}"#,
            "memory.oom_control=1",
            &format!("refused: linux.resources.memory.disableOOMKiller cannot be honoured here: {NOT_IN_V2}"),
        ),
        (
            r#"{"cpu":{"shares":1024,"quota":50000,"period":100000,"burst":10000,"cpus":"0-1","mems":"0"}}"#,
            "cpu.shares=1024, cpu.cfs_period_us=100000, cpu.cfs_quota_us=50000, cpu.cfs_burst_us=10000, cpuset.cpus=0-1, cpuset.mems=0",
            "cpu.weight=100, cpu.max=50000 100000, cpu.max.burst=10000, cpuset.cpus=0-1, cpuset.mems=0",
        ),
        (r#"{"cpu":{"quota":-1}}"#, "cpu.cfs_quota_us=-1", "cpu.max=max 100000"),
        (r#"{"cpu":{"period":50000}}"#, "cpu.cfs_period_us=50000", "cpu.max=max 50000"),
        (r#"{"cpu":{"idle":1}}"#, "cpu.idle=1", "cpu.idle=1"),
        (
            r#"{"cpu":{"realtimePeriod":1000000,"realtimeRuntime":1000}}"#,
            "cpu.rt_period_us=1000000, cpu.rt_runtime_us=1000",
            &format!("refused: linux.resources.cpu.realtimePeriod cannot be honoured here: {NOT_IN_V2}"),
        ),
        (r#"{"pids":{"limit":100}}"#, "pids.max=100", "pids.max=100"),
        (r#"{"pids":{"limit":-1}}"#, "pids.max=max", "pids.max=max"),
        (
            r#"{"blockIO":{"weight":100,"weightDevice":[{"major":8,"minor":0,"weight":500}]}}"#,
            "blkio.weight=100 or blkio.bfq.weight=100, blkio.weight_device=8:0 500 or blkio.bfq.weight_device=8:0 500",
            "io.bfq.weight=100 or io.weight=910, io.bfq.weight=8:0 500 or io.weight=8:0 4950",
        ),
        (
            r#"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1024}],
                           "throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":0}]}}"#,
            "blkio.throttle.read_bps_device=8:0 1024, blkio.throttle.write_iops_device=8:16 0",
            "io.max=8:0 rbps=1024, io.max=8:16 wiops=max",
        ),
        (
            r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#,
            "hugetlb.2MB.limit_in_bytes=4194304, hugetlb.2MB.rsvd.limit_in_bytes=4194304?",
            "hugetlb.2MB.max=4194304, hugetlb.2MB.rsvd.max=4194304?",
        ),
        (
            r#"{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000}}}"#,
            "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
            "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
        ),
        (
            r#"{"network":{"classID":1048577,"priorities":[{"name":"eth0","priority":5}]}}"#,
            "net_cls.classid=1048577, net_prio.ifpriomap=eth0 5",
            &format!("refused: linux.resources.network.classID cannot be honoured here: {NOT_IN_V2}"),
        ),
        (r#"{"network":{"classID":0,"priorities":[]}}"#, "", ""),
        (
            r#"{"pids":{"limit":5},"unified":{"pids.max":"9","io.max":"8:0 rbps=1\n8:16 rbps=2"}}"#,
            "refused: linux.resources.unified cannot be honoured here: this host has cgroup v1",
            "pids.max=5, io.max=8:0 rbps=1, io.max=8:16 rbps=2, pids.max=9",
        ),
    ] {
        let resources_: LinuxResources = serde_json::from_str(resources).unwrap();
        assert_eq!(show(v1::plan(&resources_)), in_v1, "v1: {resources}");
        assert_eq!(show(v2::plan(&resources_)), in_v2, "v2: {resources}");
    }
}

#[test]
fn refused_by_both() {
    for (resources, field) in [
        (r#"{"memory":{"limit":1000,"swap":500}}"#, "memory.swap"),
        (r#"{"hugepageLimits":[{"pageSize":"../x","limit":1}]}"#, "hugepageLimits"),
        (r#"{"unified":{"../x.y":"1"}}"#, "unified"),
    ] {
        let resources: LinuxResources = serde_json::from_str(resources).unwrap();
        for error in [v1::plan(&resources).unwrap_err(), v2::plan(&resources).unwrap_err()] {
            assert!(error.to_string().contains(field), "{error}");
        }
    }
}
