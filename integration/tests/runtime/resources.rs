//! `linux.resources`: what the cgroup holds the container to.

use ketch_integration::Bundle;
use serde_json::{Value, json};

use crate::shell;

/// The first of these files that the container's cgroup has: v1's or v2's.
fn value(files: &[&str]) -> String {
    let paths: Vec<String> = files.iter().map(|file| format!("/sys/fs/cgroup/{file}")).collect();
    format!("for f in {}; do [ -e $f ] && cat $f && break; done", paths.join(" "))
}

fn limited(bundle: Bundle, resources: &Value) -> Bundle {
    bundle.edit(|config| {
        for (key, value) in resources.as_object().expect("an object") {
            config["linux"]["resources"][key] = value.clone();
        }
    })
}

#[test]
fn values_reach_the_kernel() {
    for (resources, files, expected) in [
        (
            json!({"memory": {"limit": 33_554_432}}),
            &["memory/memory.limit_in_bytes", "memory.max"][..],
            "33554432",
        ),
        (
            json!({"memory": {"limit": 33_554_432, "reservation": 16_777_216}}),
            &["memory/memory.soft_limit_in_bytes", "memory.low"],
            "16777216",
        ),
        (json!({"pids": {"limit": 17}}), &["pids/pids.max", "pids.max"], "17"),
        (json!({"cpu": {"quota": 50_000, "period": 200_000}}), &["cpu/cpu.cfs_quota_us", "cpu.max"], "50000"),
        (json!({"cpu": {"shares": 512}}), &["cpu/cpu.shares", "cpu.weight"], "512"),
        (json!({"cpu": {"cpus": "0", "mems": "0"}}), &["cpuset/cpuset.cpus", "cpuset.cpus"], "0"),
    ] {
        let out = limited(shell(&value(files)), &resources).run().ok();
        let shown = out.text().split_whitespace().next().unwrap_or_default();
        // v2 has a weight of 1 to 10000 in place of shares: by crun's and runc's newer curve, or the older one.
        let weight = expected == "512" && ["59", "20"].contains(&shown);
        assert!(shown == expected || weight, "{resources}: {out:?}");
    }
}

#[test]
fn memory_is_limited() {
    let bundle = limited(
        shell("tail -c 200m /dev/zero"),
        &json!({"memory": {"limit": 16_777_216, "swap": 16_777_216}}),
    );
    bundle.run().assert_exit(137);
}

#[test]
fn processes_are_limited() {
    let bundle = limited(
        shell("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo all"),
        &json!({"pids": {"limit": 5}}),
    );
    let out = bundle.run();
    assert!(out.code != 0 && out.stderr.contains("fork") && !out.stdout.contains("all"), "{out:?}");
}

#[test]
fn cpus_are_limited() {
    let bundle = limited(
        shell("grep Cpus_allowed_list /proc/self/status | cut -f2"),
        &json!({"cpu": {"cpus": "0", "mems": "0"}}),
    );
    bundle.run().ok().assert_stdout("0");
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    for (resources, part) in [
        (json!({"cpu": {"cpus": "4000"}}), "cpuset"),
        (json!({"cpu": {"quota": 10, "period": 100_000}}), "cpu"),
        (json!({"cpu": {"period": 7}}), "cpu"),
    ] {
        limited(shell("true"), &resources).run().assert_exit(1).assert_stderr_has(part);
    }
}

/// Every process of the container is below the path that the configuration names.
#[test]
fn the_path_is_the_one_asked_for() {
    let bundle = Bundle::busybox().args(["sleep", "1000"]);
    let path = format!("/ketch-test/{}", bundle.id);
    let bundle = bundle.edit(|config| config["linux"]["cgroupsPath"] = json!(path));
    crate::start(&bundle);
    let pid = bundle.state()["pid"].to_string();
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its cgroups");
    assert!(text.lines().any(|line| line.ends_with(&path)), "{text}");
    bundle.runtime(["exec", &bundle.id, "true"]).ok();
    bundle.runtime(["delete", "--force", &bundle.id]).ok();
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten() {
        // The parent is not the container's: whoever chose it takes it away.
        let _ = std::fs::remove_dir(hierarchy.path().join("ketch-test"));
    }
    let _ = std::fs::remove_dir("/sys/fs/cgroup/ketch-test");
}
