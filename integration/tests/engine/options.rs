//! What `run` can be asked for, each seen from inside.

use std::fs;

use ketch_integration::Engine;

/// `run --rm OPTIONS busybox sh -c SCRIPT`, trimmed standard output.
#[track_caller]
fn inside(engine: &Engine, options: &[&str], script: &str) -> String {
    let args = [&["run", "--rm"], options, &["busybox", "sh", "-c", script]].concat();
    engine.run(args).ok().text().to_owned()
}

#[test]
fn environment() {
    let engine = Engine::with_busybox();
    let file = engine.path("env");
    fs::write(&file, "# a comment\nONE=1\nTWO=two words\n\nEMPTY=\n").unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(
        inside(&engine, &["-e", "A=b c", "--env-file", file], "echo $A/$ONE/$TWO/$EMPTY/"),
        "b c/1/two words//"
    );
    let mut command = engine.command();
    command.env("FROM_HOST", "yes").args([
        "run",
        "--rm",
        "-e",
        "FROM_HOST",
        "busybox",
        "sh",
        "-c",
        "echo $FROM_HOST",
    ]);
    ketch_integration::program::finish(&mut command).ok().assert_stdout("yes");
    assert_eq!(inside(&engine, &["-t"], "echo $TERM").trim(), "xterm");
}

#[test]
fn mounts() {
    let engine = Engine::with_busybox();
    let dir = engine.path("shared");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("file"), "from the host").unwrap();
    let dir = dir.to_str().unwrap();
    assert_eq!(
        inside(&engine, &["-v", &format!("{dir}:/s")], "cat /s/file; echo back > /s/back"),
        "from the host"
    );
    assert_eq!(fs::read_to_string(format!("{dir}/back")).unwrap(), "back\n");
    assert_eq!(
        inside(&engine, &["-v", &format!("{dir}:/s:ro")], "touch /s/x 2>&1 || true"),
        "touch: /s/x: Read-only file system"
    );
    let mount = format!("type=bind,src={dir},dst=/m,ro");
    assert_eq!(inside(&engine, &["--mount", &mount], "cat /m/file"), "from the host");
    assert_eq!(
        inside(&engine, &["--tmpfs", "/t:size=1m"], "df -k /t | tail -n 1 | awk '{print $2}'"),
        "1024"
    );
    assert_eq!(inside(&engine, &["--mount", "type=tmpfs,destination=/t"], "stat -f -c %T /t"), "tmpfs");
    let missing = format!("type=bind,src={dir}/none,dst=/m");
    engine
        .run(["run", "--rm", "--mount", &missing, "busybox", "true"])
        .assert_exit(125)
        .assert_stderr_has("none");
}

#[test]
fn read_only_root() {
    let engine = Engine::with_busybox();
    assert_eq!(
        inside(&engine, &["--read-only"], "touch /x 2>&1; touch /tmp/y && echo tmp"),
        "touch: /x: Read-only file system\ntmp"
    );
}

#[test]
fn capabilities() {
    let engine = Engine::with_busybox();
    let caps = "grep CapEff /proc/self/status | awk '{print $2}'";
    // podman's default set of eleven.
    assert_eq!(inside(&engine, &[], caps), "00000000800405fb");
    assert_eq!(inside(&engine, &["--cap-drop", "ALL"], caps), "0000000000000000");
    assert_eq!(
        inside(&engine, &["--cap-drop", "all", "--cap-add", "chown", "--cap-add", "CAP_KILL"], caps),
        "0000000000000021"
    );
    assert_eq!(inside(&engine, &["-u", "1000"], caps), "0000000000000000");
    engine.line("run --rm --cap-add flying busybox true").assert_exit(125).assert_one_error_line();
}

#[test]
fn security() {
    let engine = Engine::with_busybox();
    let seccomp = "grep Seccomp: /proc/self/status | awk '{print $2}'";
    assert_eq!(inside(&engine, &[], seccomp), "2");
    assert_eq!(inside(&engine, &["--security-opt", "seccomp=unconfined"], seccomp), "0");
    let privileges = "grep NoNewPrivs /proc/self/status | awk '{print $2}'";
    assert_eq!(inside(&engine, &[], privileges), "0");
    assert_eq!(inside(&engine, &["--security-opt", "no-new-privileges"], privileges), "1");
    assert_eq!(inside(&engine, &[], "cat /proc/kcore | wc -c; ls -A /sys/firmware | wc -l"), "0\n0");
    assert_eq!(
        inside(&engine, &[], "echo 1 > /proc/sys/kernel/panic 2>/dev/null || echo refused"),
        "refused"
    );
}

#[test]
fn limits() {
    let engine = Engine::with_busybox();
    let group = |controller: &str, file: &str, v2: &str| {
        format!("cat /sys/fs/cgroup/{controller}/{file} 2>/dev/null || cat /sys/fs/cgroup/{v2}")
    };
    assert_eq!(
        inside(&engine, &["--memory", "64m"], &group("memory", "memory.limit_in_bytes", "memory.max")),
        "67108864"
    );
    assert_eq!(inside(&engine, &["--pids-limit", "33"], &group("pids", "pids.max", "pids.max")), "33");
    assert_eq!(inside(&engine, &[], &group("pids", "pids.max", "pids.max")), "2048");
    let quota = inside(&engine, &["--cpus", "0.5"], &group("cpu", "cpu.cfs_quota_us", "cpu.max"));
    assert_eq!(quota.split(' ').next(), Some("50000"));
    assert_eq!(inside(&engine, &["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -Hn"), "100\n200");
    assert_eq!(
        inside(&engine, &["--shm-size", "2m"], "df -k /dev/shm | tail -n 1 | awk '{print $2}'"),
        "2048"
    );
}

/// A process that takes more memory than it may is killed, and `inspect` says so.
#[test]
fn out_of_memory() {
    let engine = Engine::with_busybox();
    engine.line("run --name big --memory 16m busybox tail /dev/zero").assert_exit(137);
    let state = engine.line("inspect big").ok().json()[0]["State"].clone();
    assert_eq!(
        (state["OOMKilled"].as_bool(), state["ExitCode"].as_i64()),
        (Some(true), Some(137)),
        "{state:#}"
    );
}

#[test]
fn init_reaps_and_forwards() {
    let engine = Engine::with_busybox();
    assert_eq!(
        inside(
            &engine,
            &["--init"],
            "echo $(($$ > 1)); (sleep 0 &) ; sleep 0.2; ps | grep -c '\\[sleep\\]'; true"
        ),
        "1\n0"
    );
    engine.run(["run", "--rm", "--init", "busybox", "sh", "-c", "exit 7"]).assert_exit(7);
    engine
        .run([
            "run",
            "-d",
            "--name",
            "i",
            "--init",
            "busybox",
            "sh",
            "-c",
            "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done",
        ])
        .ok();
    engine.wait_for_log("i", "ready");
    engine.line("stop -t 5 i").ok();
    assert_eq!(engine.line("inspect i").ok().json()[0]["State"]["ExitCode"], 5);
}

#[test]
fn users() {
    let engine = Engine::with_busybox();
    assert_eq!(
        inside(&engine, &["-u", "kim"], "id"),
        "uid=1000(kim) gid=1000(kim) groups=1000(kim),2000(crew)"
    );
    assert_eq!(inside(&engine, &["-u", "1000:crew"], "id -u; id -g"), "1000\n2000");
    assert_eq!(inside(&engine, &["-u", "4242:4343"], "id -u; id -g"), "4242\n4343");
    // podman looks users up when it starts the container, so it is 126 and not 125.
    for user in ["nobody-here", "4294967296", "-5"] {
        engine
            .run(["run", "--rm", &format!("--user={user}"), "busybox", "true"])
            .assert_exit(126)
            .assert_one_error_line();
    }
}

#[test]
fn cid_file_and_labels() {
    let engine = Engine::with_busybox();
    let file = engine.path("cid");
    let out = engine
        .run(["create", "--cidfile", file.to_str().unwrap(), "--label", "a=1", "--label", "b", "busybox"])
        .ok();
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), out.text());
    let labels = engine.run(["inspect", out.text()]).ok().json()[0]["Config"]["Labels"].clone();
    assert_eq!((labels["a"].as_str(), labels["b"].as_str()), (Some("1"), Some("")));
    engine.line("ps -a --filter label=a=1 -q").ok().assert_stdout(&out.text()[..12]);
}
