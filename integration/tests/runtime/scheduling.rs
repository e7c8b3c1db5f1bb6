//! `process.scheduler`, `ioPriority`, `execCPUAffinity` and `linux.personality`, `timeOffsets`.

use std::fs;

use ketch_integration::Bundle;
use serde_json::json;

use crate::{is_ours, shell, start};

/// proc_pid_stat(5): nice, real-time priority and policy of the container's first process.
const STAT: &str = "sed 's/.*) //' /proc/1/stat | awk '{ print $17, $38, $39 }'";

#[test]
fn policies() {
    for (scheduler, shown) in [
        (json!({"policy": "SCHED_OTHER", "nice": 7}), "7 0 0"),
        (json!({"policy": "SCHED_BATCH", "nice": 3}), "3 0 3"),
        (json!({"policy": "SCHED_IDLE"}), "0 0 5"),
    ] {
        let bundle = shell(STAT).edit(|config| config["process"]["scheduler"] = scheduler.clone());
        bundle.run().ok().assert_stdout(shown);
    }
}

/// sched(7), "Resetting scheduling policy for child processes": they do not get the first one's better nice value.
#[test]
fn a_flag() {
    let bundle =
        shell(&format!("{STAT}; (sed 's/.*) //' /proc/self/stat | awk '{{ print $17 }}')")).edit(|config| {
            config["process"]["scheduler"] =
                json!({"policy": "SCHED_OTHER", "nice": -5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
        });
    bundle.run().ok().assert_stdout("-5 0 0\n0");
}

#[test]
fn the_scheduler_of_an_exec() {
    let bundle = Bundle::busybox()
        .args(["sleep", "1000"])
        .edit(|config| config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5}));
    start(&bundle);
    let script = "sed 's/.*) //' /proc/$$/stat | awk '{ print $17, $39 }'";
    bundle.runtime(["exec", &bundle.id, "sh", "-c", script]).ok().assert_stdout("5 3");
}

#[test]
fn io_priorities() {
    for (class, level, shown) in
        [("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"), ("IOPRIO_CLASS_IDLE", 0, "idle")]
    {
        let bundle = shell("ionice -p 1").edit(|config| {
            config["process"]["ioPriority"] = json!({"class": class, "priority": level});
        });
        let out = bundle.run().ok();
        assert!(out.text().starts_with(shown), "{out:?}");
    }
}

/// Of an `exec`: where it begins, and where it stays. It is not for the container's first process.
#[test]
fn cpu_affinity() {
    const SHOWN: &str = "grep Cpus_allowed_list /proc/self/status | cut -f2";
    let bundle = Bundle::busybox().args(["sleep", "1000"]);
    start(&bundle);
    let mut process = bundle.config["process"].clone();
    process["args"] = json!(["sh", "-c", SHOWN]);
    process["execCPUAffinity"] = json!({"initial": "0", "final": "0"});
    let file = bundle.path().join("process.json");
    fs::write(&file, process.to_string()).expect("a file");
    let file = file.to_str().expect("UTF-8");
    bundle.runtime(["exec", "--process", file, &bundle.id]).ok().assert_stdout("0");

    process["execCPUAffinity"] = json!({"initial": "zero"});
    fs::write(file, process.to_string()).expect("a file");
    let out = bundle.runtime(["exec", "--process", file, &bundle.id]);
    assert_ne!(out.code, 0, "{out:?}");
    if is_ours() {
        out.assert_one_error_line().assert_stderr_has("zero");
    }
}

#[test]
fn personality() {
    let bundle =
        shell("uname -m").edit(|config| config["linux"]["personality"] = json!({"domain": "LINUX32"}));
    let out = bundle.run().ok();
    let shown = if cfg!(target_arch = "x86_64") { "i686" } else { "armv8l" };
    out.assert_stdout(shown);
}

#[test]
fn time_offsets() {
    let bundle = shell("cut -d. -f1 /proc/uptime; readlink /proc/self/ns/time").edit(|config| {
        config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "time"}));
        config["linux"]["timeOffsets"] =
            json!({"boottime": {"secs": 1_000_000_000}, "monotonic": {"secs": 7, "nanosecs": 5}});
    });
    let out = bundle.run().ok();
    let mut lines = out.text().lines();
    assert!(lines.next().is_some_and(|up| up.parse::<u64>().is_ok_and(|up| up >= 1_000_000_000)), "{out:?}");
    let ours = fs::read_link("/proc/self/ns/time").expect("a namespace").display().to_string();
    assert!(lines.next().is_some_and(|time| time != ours), "{out:?}");
    let without =
        shell("true").edit(|config| config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1}}));
    without.run().assert_exit(1).assert_stderr_has("time");
}
