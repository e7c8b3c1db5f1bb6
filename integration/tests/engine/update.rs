//! `update`: what a container was asked to be is changed, and what it has.

use std::fs;
use std::path::PathBuf;

use ketch_integration::wait::wait_for;
use ketch_integration::{Engine, kills};

fn shown(engine: &Engine, template: &str) -> String {
    engine.run(["inspect", "-f", template, "one"]).ok().text().to_owned()
}

/// What the kernel has, by the first of the names that there is: cgroup v1's, v2's.
fn kernel(id: &str, names: [&str; 2]) -> String {
    let mut places = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(place) = places.pop() {
        for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                places.push(entry.path());
            }
        }
        if place.to_string_lossy().contains(id)
            && let Some(text) = names.iter().find_map(|name| fs::read_to_string(place.join(name)).ok())
        {
            return text.trim().to_owned();
        }
    }
    panic!("there is no {names:?} of {id}")
}

#[test]
fn limits_of_a_running_container() {
    let engine = Engine::with_busybox();
    let id = engine.line("run -d --name one --network none busybox sleep 1000").ok().text().to_owned();
    engine
        .line("update --cpus 0.5 --memory 64m --pids-limit 70 --cpu-shares 512 one")
        .ok()
        .assert_stdout(&id);
    let template =
        "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.CpuShares}}";
    assert_eq!(shown(&engine, template), "67108864 500000000 70 512");
    assert_eq!(kernel(&id, ["memory.limit_in_bytes", "memory.max"]), "67108864");
    assert_eq!(kernel(&id, ["pids.max", "pids.max"]), "70");
    let quota = kernel(&id, ["cpu.cfs_quota_us", "cpu.max"]);
    assert!(quota.starts_with("50000"), "{quota}");

    // What is not named stays.
    engine.line("update --pids-limit 80 one").ok();
    assert_eq!(shown(&engine, template), "67108864 500000000 80 512");
    assert_eq!(kernel(&id, ["memory.limit_in_bytes", "memory.max"]), "67108864");
    engine.line("update --memory 0 --cpus 0 --pids-limit -1 one").ok();
    assert_eq!(kernel(&id, ["pids.max", "pids.max"]), "max");
    let quota = kernel(&id, ["cpu.cfs_quota_us", "cpu.max"]);
    assert!(quota.starts_with("-1") || quota.starts_with("max"), "{quota}");

    // What the kernel refuses is not noted.
    engine
        .line("update --cpuset-cpus 4000 one")
        .assert_exit(125)
        .assert_stderr_has("4000")
        .assert_one_error_line();
    assert_eq!(shown(&engine, "{{.HostConfig.CpusetCpus}}"), "");

    // And at the next start.
    engine.line("update --memory 32m one").ok();
    engine.line("restart -t 0 one").ok();
    assert_eq!(kernel(&id, ["memory.limit_in_bytes", "memory.max"]), "33554432");
}

#[test]
fn without_a_cgroup_there_is_nothing_to_limit() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name one --network none --cgroups disabled busybox sleep 1000").ok();
    engine.line("update --memory 64m one").assert_exit(125).assert_stderr_has("--cgroups=disabled");
    assert_eq!(shown(&engine, "{{.HostConfig.Memory}}"), "0");
}

#[test]
fn policy_and_environment() {
    let engine = Engine::with_busybox();
    engine
        .run([
            "run",
            "-d",
            "--name",
            "one",
            "--network",
            "none",
            "-e",
            "A=1",
            "busybox",
            "sh",
            "-c",
            "env; exec sleep 1000",
        ])
        .ok();
    engine.line("update --restart always --env B=2 --unsetenv A one").ok();
    assert_eq!(shown(&engine, "{{.HostConfig.RestartPolicy.Name}}"), "always");
    let pid = || shown(&engine, "{{.State.Pid}}");
    let first = pid();
    kills::end(first.parse().unwrap());
    // Its monitor has heard of the policy that it was not started with.
    wait_for("the next run", || {
        let now = shown(&engine, "{{.RestartCount}} {{.State.Status}}");
        if now == "1 running" { Ok(()) } else { Err(now) }
    });
    engine.wait_for_log("one", "B=2");
    engine.line("update --restart no one").ok();
    kills::end(pid().parse().unwrap());
    engine.line("wait one").ok().assert_stdout("137");
    assert_eq!(shown(&engine, "{{.RestartCount}} {{.State.Status}}"), "0 exited");
    assert_eq!(engine.line("logs one").ok().stdout.matches("A=1\n").count(), 1);

    engine.line("create --rm --name gone busybox true").ok();
    engine
        .line("update --restart always gone")
        .assert_exit(125)
        .assert_stderr_has("--rm option conflicts with --restart");
    engine.line("rm gone").ok();
}

#[test]
fn health_checks_of_a_running_container() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name one --network none busybox sleep 1000").ok();
    engine
        .line("update --health-interval 3s one")
        .assert_exit(125)
        .assert_stderr_has("give it one with --health-cmd");
    engine.line("update --health-cmd true --health-interval 1s one").ok();
    engine.line("wait --condition healthy one").ok();
    engine.line("update --health-cmd false --health-retries 1 one").ok();
    engine.line("wait --condition unhealthy one").ok();
    assert_eq!(shown(&engine, "{{.Config.Healthcheck.Interval}}"), "1000000000");
    engine.line("update --no-healthcheck one").ok();
    engine.line("healthcheck run one").assert_exit(125).assert_stderr_has("has no defined healthcheck");
    engine
        .line("update --no-healthcheck --health-cmd true one")
        .assert_exit(125)
        .assert_stderr_has("cannot specify both --no-healthcheck and other HealthCheck flags");
}

#[test]
fn wrong_words() {
    let engine = Engine::with_busybox();
    engine.line("create --name one busybox true").ok();
    engine.line("update one").ok();
    for (line, part) in [
        ("update", "requires a name, id, or the \"--latest\" flag"),
        ("update one two", "`ketch update` accepts at most one argument"),
        ("update nobody", "no such container"),
        ("update --restart sometimes one", "\"sometimes\" is not a valid restart policy"),
        ("update --cpus 1 --cpu-quota 1000 one", "--cpu-quota and --cpus cannot be set together"),
        ("update --memory 1g --memory-swap 500m one", "--memory-swap must not be less than --memory"),
        ("update --ulimit bogus=1 one", "invalid ulimit type"),
        ("update --device-read-bps /dev/none:1m one", "--device-read-bps"),
    ] {
        engine.line(line).assert_exit(125).assert_stderr_has(part);
    }
    engine.line("update --ulimit nofile=100:200 one").ok();
    assert_eq!(shown(&engine, "{{(index .HostConfig.Ulimits 0).Soft}}"), "100");
    engine
        .run(["events", "--stream=false", "--filter", "event=update", "--format", "{{.Name}}"])
        .ok()
        .assert_stdout("one\none");
}
