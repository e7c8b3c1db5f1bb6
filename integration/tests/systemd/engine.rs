//! ketch, whose containers are scopes where systemd runs the host.

use std::fs;

use ketch_integration::Engine;

use crate::host::{assert_unknown, directory, limit, property};

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

/// A slice in podman's, with the pod's limits; those of the members are below.
#[test]
fn a_pod_is_a_slice() {
    let engine = Engine::with_busybox();
    let pod = "pod create --name shop -m 96m --memory-swap 96m --cpus 0.5 --cpuset-cpus 0";
    let pod = engine.line(pod).ok().text().to_owned();
    let slice = format!("machine-ketch_pod_{pod}.slice");
    let one = engine.line("run -d --pod shop -m 32m busybox sleep 1000").ok().text().to_owned();
    let scope = format!("ketch-{one}.scope");
    for (unit, name, value) in [
        (&slice, "ActiveState", "active"),
        (&slice, "Slice", "machine.slice"),
        (&slice, "MemoryMax", "100663296"),
        (&slice, "CPUQuotaPerSecUSec", "500ms"),
        (&slice, "AllowedCPUs", "0"),
        (&scope, "Slice", &slice),
        (&scope, "MemoryMax", "33554432"),
    ] {
        assert_eq!(property(unit, name), value, "{name} of {unit}");
    }
    for (file, value) in [
        ("memory.max", "100663296"),
        ("memory.swap.max", "0"),
        ("cpu.max", "50000 100000"),
        ("cpuset.cpus", "0"),
    ] {
        assert_eq!(limit(&slice, file), value, "{file}");
    }
    assert!(directory(&scope).starts_with(directory(&slice)));
    let path = format!("machine.slice/{slice}");
    engine.run(["pod", "inspect", "-f", "{{.CgroupPath}}", "shop"]).ok().assert_stdout(&path);

    engine.line("pod stop -t 0 shop").ok();
    assert_unknown(&scope);
    engine.line("pod start shop").ok();
    assert_eq!(property(&scope, "Slice"), slice);
    assert_eq!(limit(&slice, "memory.max"), "100663296");
    engine.line("pod rm -f -t 0 shop").ok();
    assert_unknown(&scope);
    // There is no slice that systemd does not know.
    assert_eq!(property(&slice, "ActiveState"), "inactive");

    // Without limits of its own it is there with the first member, and goes no later.
    let pod = engine.line("pod create --name plain").ok().text().to_owned();
    let slice = format!("machine-ketch_pod_{pod}.slice");
    let one = engine.line("run -d --pod plain busybox sleep 1000").ok().text().to_owned();
    assert_eq!(property(&format!("ketch-{one}.scope"), "Slice"), slice);
    engine.line("pod rm -f -t 0 plain").ok();
    assert_eq!(property(&slice, "ActiveState"), "inactive");
}

/// The monitor watches for it, as systemd removes the scope, and what the kernel counted in it, along with the last process.
#[test]
fn an_oom_kill_is_seen() {
    let engine = Engine::with_busybox();
    let script = "tail -c 200m /dev/zero; echo went on; sleep 1000";
    run_in_16_mib(&engine, "child", script);
    engine.wait_for_log("child", "went on");
    engine.line("stop -t 0 child").ok();
    engine.run(["inspect", "-f", "{{.State.OOMKilled}}", "child"]).ok().assert_stdout("true");
}

/// Many times: systemd may be faster than the monitor.
#[test]
fn an_oom_kill_of_init_is_seen() {
    let engine = Engine::with_busybox();
    let names: Vec<String> = (0..12).map(|number| format!("init{number}")).collect();
    for name in &names {
        run_in_16_mib(&engine, name, "exec tail -c 200m /dev/zero");
    }
    for name in &names {
        engine.line(&format!("wait {name}")).ok().assert_stdout("137");
        let state = "{{.State.OOMKilled}} {{.State.ExitCode}}";
        engine.run(["inspect", "-f", state, name]).ok().assert_stdout("true 137");
    }
}

fn run_in_16_mib(engine: &Engine, name: &str, script: &str) {
    let limits = ["-m", "16m", "--memory-swap", "16m"];
    engine.run([&["run", "-d", "--name", name], &limits[..], &["busybox", "sh", "-c", script]].concat()).ok();
}
