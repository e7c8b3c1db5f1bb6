//! Limits that fewer people set.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use super::{engine, inside, inspect, refused};

/// A block device of this machine, with its numbers.
fn block_device() -> (String, String) {
    let mut names: Vec<_> =
        fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let found = names.into_iter().find_map(|name| {
        let path = format!("/dev/{}", name.to_str()?);
        let is_block = fs::metadata(&path).ok()?.file_type().is_block_device();
        let numbers = fs::read_to_string(format!("/sys/block/{}/dev", name.to_str()?)).ok()?;
        is_block.then(|| (path, numbers.trim().to_owned()))
    });
    found.expect("a machine with a block device")
}

#[test]
fn seen_in_the_cgroup() {
    let engine = engine();
    let (device, numbers) = block_device();
    let (bps, iops) = (format!("{device}:1mb"), format!("{device}:100"));
    let is_v2 = fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap();
    let options = [
        "--cpu-period",
        "50000",
        "--cpu-quota",
        "20000",
        "--device-read-bps",
        &bps,
        "--device-write-iops",
        &iops,
    ];
    let script = if is_v2 {
        "cd /sys/fs/cgroup; cat cpu.max io.max"
    } else {
        "cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us blkio/blkio.throttle.read_bps_device \
         blkio/blkio.throttle.write_iops_device"
    };
    let expected = if is_v2 {
        format!("20000 50000\n{numbers} rbps=1048576 wbps=max riops=max wiops=100")
    } else {
        format!("20000\n50000\n{numbers} 1048576\n{numbers} 100")
    };
    assert_eq!(inside(&engine, &options, "busybox", script), expected);
    if is_v2 {
        let high = inside(
            &engine,
            &["--cgroup-conf", "memory.high=67108864"],
            "busybox",
            "cat /sys/fs/cgroup/memory.high",
        );
        assert_eq!(high, "67108864");
    } else {
        let options = ["-m", "64m", "--memory-swappiness", "10", "--oom-kill-disable"];
        let script = "cd /sys/fs/cgroup/memory; cat memory.swappiness; head -n 1 memory.oom_control";
        assert_eq!(inside(&engine, &options, "busybox", script), "10\noom_kill_disable 1");
        refused(&engine, &[("--cgroup-conf memory.high=1", "cannot use --cgroup-conf without cgroup v2")]);
    }
}

/// What is not given as a node can be made, and then used, if a rule says so.
#[test]
fn device_rules() {
    let engine = engine();
    let script = "mknod /tmp/full c 1 7 && mknod /tmp/mem c 1 1; head -c 1 /tmp/full | wc -c; \
                  head -c 1 /tmp/mem 2>&1 | grep -c 'not permitted'";
    assert_eq!(inside(&engine, &["--cap-add", "MKNOD"], "busybox", script), "1\n1");
    let urandom = "mknod /tmp/u c 10 235; cat /tmp/u 2>&1 | grep -c 'not permitted'; true";
    assert_eq!(inside(&engine, &["--cap-add", "MKNOD"], "busybox", urandom), "1");
    let options = ["--cap-add", "MKNOD", "--device-cgroup-rule", "c 10:235 rw"];
    assert_eq!(inside(&engine, &options, "busybox", urandom), "0");
}

#[test]
fn shown_by_inspect() {
    let engine = engine();
    let (device, _) = block_device();
    let words = format!(
        "create --name x --network none --blkio-weight 500 --blkio-weight-device {device}:300 --cpu-period 50000 \
         --cpu-quota 20000 --cpu-rt-period 1000 --cpu-rt-runtime 500 --device-read-bps {device}:1mb \
         --device-write-iops {device}:100 --hosts-file none --memory-swappiness 10 --no-hostname --oom-kill-disable \
         --rdt-class gold --chrootdirs /var/c busybox"
    );
    engine.line(&words).ok();
    let x = inspect(&engine, "x");
    let host = &x["HostConfig"];
    for (key, expected) in [
        ("BlkioWeight", serde_json::json!(500)),
        ("BlkioWeightDevice", serde_json::json!([{"Path": device, "Weight": 300}])),
        ("BlkioDeviceReadBps", serde_json::json!([{"Path": device, "Rate": 1_048_576}])),
        ("BlkioDeviceWriteBps", serde_json::json!([])),
        ("BlkioDeviceReadIOps", serde_json::json!([])),
        ("BlkioDeviceWriteIOps", serde_json::json!([{"Path": device, "Rate": 100}])),
        ("CpuPeriod", 50_000.into()),
        ("CpuQuota", 20_000.into()),
        ("CpuRealtimePeriod", 1_000.into()),
        ("CpuRealtimeRuntime", 500.into()),
        ("MemorySwappiness", 10.into()),
        ("OomKillDisable", true.into()),
        ("HostsFile", "none".into()),
        ("IntelRdtClosID", "gold".into()),
    ] {
        assert_eq!(host[key], expected, "{key}");
    }
    assert_eq!((&x["UseImageHostname"], &x["HostnamePath"]), (&true.into(), &"".into()));
    assert_eq!(x["Config"]["ChrootDirs"], serde_json::json!(["/var/c"]));
    engine.line("create --name plain --network none busybox").ok();
    assert!(inspect(&engine, "plain")["HostConfig"]["BlkioDeviceReadBps"].is_null());
}

#[test]
fn refusals() {
    let engine = engine();
    refused(
        &engine,
        &[
            ("--blkio-weight-device /dev/nope:300", "failed to inspect '/dev/nope' in --blkio-weight-device"),
            ("--blkio-weight-device /dev/null:300", "is not a block device"),
            ("--blkio-weight-device /dev/null", "bad format: /dev/null"),
            ("--device-read-bps vda:1", "bad format for device path"),
            ("--device-read-bps /dev/vda:x", "invalid rate for device"),
            ("--cpu-quota 20000 --cpus 1", "--cpu-quota and --cpus cannot be set together"),
            ("--cpu-period 50000 --cpus 1", "--cpu-period and --cpus cannot be set together"),
            ("--device-cgroup-rule x", "invalid device cgroup rule"),
            ("--cgroup-conf x", "must be formatted KEY=VALUE"),
            ("--cgroups=disabled -m 10m", "cannot set --memory: --cgroups=disabled"),
            ("--gpus all", "--gpus is not available"),
            ("--seccomp-policy image", "--seccomp-policy=image is not available"),
            ("--cgroups split", "--cgroups=split is not available"),
            ("--decryption-key x", "--decryption-key is not available"),
            ("--platform linux/arm64 --arch arm64", "can not be specified with --arch or --os"),
            ("--retry-delay 3q", "invalid duration"),
        ],
    );
    // What is in the store is for another platform, and nowhere else.
    engine
        .line("run --pull never --arch s390x busybox true")
        .assert_exit(125)
        .assert_stderr_has("image not known");
    engine.line("run --rm --network none --os linux --disable-content-trust busybox true").ok();
}
