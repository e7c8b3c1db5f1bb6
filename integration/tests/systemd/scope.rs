//! ketchrun with `--systemd-cgroup`.

use std::fs;
use std::os::unix::process::CommandExt;

use ketch_integration::program;
use ketch_integration::wait::wait_for;
use serde_json::json;

use crate::host::{Scope, assert_unknown, directory, limit, property};

const FOREVER: &str = "trap exit TERM; while :; do sleep 1000 & wait; done";

/// runc and crun agree.
#[test]
fn limits_are_properties_and_files() {
    let scope = Scope::new(FOREVER).edit(|config| {
        config["linux"]["resources"] = json!({
            "memory": {"limit": 67_108_864, "reservation": 33_554_432},
            "pids": {"limit": 77},
            "cpu": {"shares": 2048, "quota": 50_000, "period": 100_000, "cpus": "0"},
            "unified": {"memory.high": "50331648"},
        });
        config["annotations"] = json!({
            "org.systemd.property.TimeoutStopSec": "7",
            "org.systemd.property.Description": "'of its own'",
        });
    });
    scope.start();
    for (name, value) in [
        ("Slice", &*scope.slice),
        ("Delegate", "yes"),
        ("ActiveState", "active"),
        ("MemoryMax", "67108864"),
        ("MemoryLow", "33554432"),
        ("MemoryHigh", "50331648"),
        ("TasksMax", "77"),
        ("CPUWeight", "174"),
        ("CPUQuotaPerSecUSec", "500ms"),
        ("AllowedCPUs", "0"),
        ("TimeoutStopUSec", "7s"),
        ("Description", "of its own"),
    ] {
        assert_eq!(property(&scope.unit, name), value, "{name}");
    }
    let files = [
        ("memory.max", "67108864"),
        ("memory.low", "33554432"),
        ("memory.high", "50331648"),
        ("pids.max", "77"),
        ("cpu.weight", "174"),
        ("cpu.max", "50000 100000"),
        ("cpuset.cpus", "0"),
    ];
    for (file, value) in files {
        assert_eq!(limit(&scope.unit, file), value, "{file}");
    }
    // What systemd knows, it does not undo.
    program::run("systemctl", ["daemon-reload"]).ok();
    for (file, value) in files {
        assert_eq!(limit(&scope.unit, file), value, "{file} after a reload");
    }
}

/// `update`, too, and what the kernel does not take systemd never hears of.
#[test]
fn changed_limits_are_properties_and_files() {
    let scope = Scope::new(FOREVER);
    scope.start();
    let update =
        |flags: &[&str]| scope.bundle.runtime([&["update"], flags, &[scope.bundle.id.as_str()]].concat());
    update(&["--memory", "64M", "--pids-limit", "77", "--cpu-quota", "12345", "--cpu-share", "2048"]).ok();
    update(&["--cpu-period", "50000"]).ok();
    update(&["--pids-limit", "78", "--cpuset-cpus", "8191"]).assert_exit(1);
    for (name, value) in [("MemoryMax", "67108864"), ("TasksMax", "77"), ("CPUWeight", "174")] {
        assert_eq!(property(&scope.unit, name), value, "{name}");
    }
    let files =
        [("memory.max", "67108864"), ("pids.max", "77"), ("cpu.weight", "174"), ("cpu.max", "12345 50000")];
    for (file, value) in files {
        assert_eq!(limit(&scope.unit, file), value, "{file}");
    }
    // What systemd can say of it in full is not undone by a reload.
    update(&["--cpu-quota", "10000", "--cpu-period", "100000"]).ok();
    program::run("systemctl", ["daemon-reload"]).ok();
    assert_eq!(limit(&scope.unit, "cpu.max"), "10000 100000");
    assert_eq!(limit(&scope.unit, "pids.max"), "77");
}

#[test]
fn every_process_is_in_the_scope() {
    let scope = Scope::new(FOREVER);
    scope.make(&["create"]).ok();
    let bundle = &scope.bundle;
    let pid = bundle.state()["pid"].to_string();
    let own = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("a process");
    let expected = format!("0::/{}/{}", scope.slice, scope.unit);
    assert_eq!(own(&pid).trim(), expected);
    bundle.runtime(["start", &bundle.id]).ok();

    let exec = bundle.runtime(["exec", &bundle.id, "cat", "/proc/self/cgroup"]).ok();
    // As seen from the container's own cgroup namespace, or from the host's.
    assert!(["0::/", &*expected].contains(&exec.text()), "{exec:?}");
    assert_eq!(own(&pid).trim(), expected);

    bundle.runtime(["pause", &bundle.id]).ok();
    assert_eq!(limit(&scope.unit, "cgroup.freeze"), "1");
    bundle.runtime(["resume", &bundle.id]).ok();
    bundle.runtime(["delete", "--force", &bundle.id]).ok();
    assert_unknown(&scope.unit);
}

/// A container that ends by itself takes its scope along, and its name can be used again at once.
#[test]
fn one_run_after_the_other() {
    let scope = Scope::new("exit 3");
    for _ in 0..5 {
        scope.run().assert_exit(3);
        assert_unknown(&scope.unit);
    }
}

#[test]
fn what_cannot_be_had_is_refused() {
    for (path, annotation, part) in [
        ("/a/b", "1", "slice:prefix:name"),
        ("a:b:c", "1", "no slice"),
        ("machine.slice:sd:x/y", "1", "no name of a unit"),
        ("", "nonsense", "GVariant"),
        ("", "'x'", "Failed to set unit properties"),
    ] {
        let scope = Scope::new("true").edit(|config| {
            if !path.is_empty() {
                config["linux"]["cgroupsPath"] = json!(path);
            }
            let key = if annotation == "1" { "a.b" } else { "org.systemd.property.RuntimeMaxUSec" };
            config["annotations"] = json!({key: annotation});
        });
        scope.run().assert_exit(1).assert_stderr_has(part);
        assert_unknown(&scope.unit);
    }
}

/// A limit that the kernel refuses, after systemd has started the scope.
#[test]
fn a_half_made_scope_is_undone() {
    let scope = Scope::new("true")
        .edit(|config| config["linux"]["resources"] = json!({"unified": {"memory.max": "many"}}));
    scope.run().assert_exit(1).assert_stderr_has("memory.max");
    assert_unknown(&scope.unit);
}

/// Of two of one name the second is refused, and the first does not notice.
#[test]
fn a_taken_name_is_left_alone() {
    let first = Scope::new(FOREVER);
    first.start();
    let path = first.bundle.config["linux"]["cgroupsPath"].clone();
    let second = Scope::new("true").edit(|config| config["linux"]["cgroupsPath"] = path);
    second.run().assert_exit(1).assert_stderr_has("UnitExists");
    assert_eq!(property(&first.unit, "ActiveState"), "active");
    assert_eq!(first.bundle.state()["status"], "running");
}

/// As systemd in a container does: the container's cgroup has become an inner one, which takes no process.
#[test]
fn exec_finds_init_below() {
    let script = "cd /sys/fs/cgroup && mkdir init && echo 1 > init/cgroup.procs \
        && echo +pids > cgroup.subtree_control && echo moved; sleep 1000";
    let scope = Scope::new(script).edit(|config| {
        for mount in config["mounts"].as_array_mut().expect("a list") {
            if mount["destination"] == "/sys/fs/cgroup" {
                mount["options"] = json!(["nosuid", "noexec", "nodev", "rw"]);
            }
        }
    });
    scope.make(&["create"]).ok();
    let bundle = &scope.bundle;
    let control = directory(&scope.unit).join("cgroup.subtree_control");
    bundle.runtime(["start", &bundle.id]).ok();
    wait_for("move of its init", || match fs::read_to_string(&control).expect("a delegated cgroup").trim() {
        "pids" => Ok(()),
        _ => Err(fs::read_to_string(bundle.path().join("stdout"))),
    });
    let exec = bundle.runtime(["exec", &bundle.id, "cat", "/proc/self/cgroup"]).ok();
    exec.assert_stdout("0::/init");
    bundle.runtime(["delete", "--force", &bundle.id]).ok();
    assert_unknown(&scope.unit);
}

/// Whenever the runtime is killed while it makes a container, `delete` finds what there is of it.
#[test]
fn killed_at_any_moment() {
    let scope = Scope::new("true");
    scope.bundle.write();
    for round in 0..8 {
        let mut command = scope.bundle.command();
        command
            .args(["--systemd-cgroup", "create", "--bundle"])
            .arg(scope.bundle.path())
            .arg(&scope.bundle.id);
        let null = std::process::Stdio::null;
        let mut runtime = command.stdout(null()).stderr(null()).process_group(0).spawn().expect("ketchrun");
        // Not a wait for anything: any moment will do.
        std::thread::sleep(std::time::Duration::from_millis(round * 25));
        runtime.kill().expect("a child of ours");
        runtime.wait().expect("a child of ours");
        scope.bundle.runtime(["delete", "--force", &scope.bundle.id]).ok();
        let state = property(&scope.unit, "ActiveState");
        assert_ne!(state, "active", "round {round}");
    }
    scope.run().ok();
    assert_unknown(&scope.unit);
}
