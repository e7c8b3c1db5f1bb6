//! ketch, whose containers are scopes where systemd runs the host.

use std::fs;

use ketch_integration::Engine;

use crate::host::{assert_unknown, directory, property};

/// podman's defaults: the manager, the slice, and what `inspect` says of them.
#[test]
fn the_default_is_a_scope() {
    let engine = Engine::with_busybox();
    let id =
        engine.line("run -d --name web -m 64m --pids-limit 50 busybox sleep 1000").ok().text().to_owned();
    let unit = format!("ketch-{id}.scope");
    assert_eq!(property(&unit, "Slice"), "machine.slice");
    assert_eq!(property(&unit, "MemoryMax"), "67108864");
    assert_eq!(property(&unit, "TasksMax"), "50");
    let inspect = engine.line("inspect web").ok().json();
    assert_eq!(inspect.pointer("/0/HostConfig/CgroupManager"), Some(&"systemd".into()));
    assert_eq!(inspect.pointer("/0/HostConfig/CgroupMode"), Some(&"private".into()));
    let path = format!("/machine.slice/{unit}");
    assert_eq!(inspect.pointer("/0/State/CgroupPath"), Some(&path.into()));

    engine.line("exec web cat /proc/self/cgroup").ok().assert_stdout("0::/");
    let procs = fs::read_to_string(directory(&unit).join("cgroup.procs")).expect("its processes");
    assert_eq!(procs.lines().count(), 1, "the monitor is not in the scope: {procs:?}");

    engine.line("stop -t 0 web").ok();
    assert_unknown(&unit);
    engine.line("start web").ok();
    assert_eq!(property(&unit, "ActiveState"), "active");
    engine.line("rm -f -t 0 web").ok();
    assert_unknown(&unit);
}

#[test]
fn parents_are_those_of_the_manager() {
    let engine = Engine::with_busybox();
    let parent = format!("ketchtest{}.slice", std::process::id());
    engine
        .line("run --rm --cgroup-parent x busybox true")
        .assert_exit(125)
        .assert_stderr_has("did not receive systemd slice");
    engine
        .line(&format!("--cgroup-manager cgroupfs run --rm --cgroup-parent {parent} busybox true"))
        .assert_exit(125)
        .assert_stderr_has("systemd slice received as cgroup parent when using cgroupfs");

    let id =
        engine.line(&format!("run -d --cgroup-parent {parent} busybox sleep 1000")).ok().text().to_owned();
    assert_eq!(property(&format!("ketch-{id}.scope"), "Slice"), parent);
    engine.line(&format!("rm -f -t 0 {id}")).ok();
    ketch_integration::program::run("systemctl", ["stop", &parent]).ok();

    // The manager of its creation is the container's for good.
    let id = engine.line("--cgroup-manager cgroupfs run -d busybox sleep 1000").ok().text().to_owned();
    assert_unknown(&format!("ketch-{id}.scope"));
    assert!(fs::exists(format!("/sys/fs/cgroup/ketch-{id}")).expect("a path"));
    engine.line(&format!("stop -t 0 {id}")).ok();
    engine.line(&format!("--cgroup-manager systemd start {id}")).ok();
    assert!(fs::exists(format!("/sys/fs/cgroup/ketch-{id}")).expect("a path"));
}

/// The monitor watches for it, as systemd removes the scope, and what the kernel counted in it, along with the last process. (When
/// that is the one which was killed, systemd may come first.)
#[test]
fn an_oom_kill_is_seen() {
    let engine = Engine::with_busybox();
    let script = "tail -c 200m /dev/zero; echo went on; sleep 1000";
    engine
        .run([
            "run",
            "-d",
            "--name",
            "oom",
            "-m",
            "16m",
            "--memory-swap",
            "16m",
            "busybox",
            "sh",
            "-c",
            script,
        ])
        .ok();
    engine.wait_for_log("oom", "went on");
    engine.line("stop -t 0 oom").ok();
    engine.run(["inspect", "-f", "{{.State.OOMKilled}}", "oom"]).ok().assert_stdout("true");
}
