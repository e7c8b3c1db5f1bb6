//! For how long, after whom, with which descriptors.

use std::fs;

use super::{after, engine, inside, inspect};

#[test]
fn a_timeout_ends_it() {
    let engine = engine();
    // podman's code. init ignores what is not SIGKILL.
    engine.line("run --name t --network none --timeout 1 busybox sleep 1000").assert_exit(255);
    let t = inspect(&engine, "t");
    assert_eq!((&t["State"]["ExitCode"], &t["Config"]["Timeout"]), (&255.into(), &1.into()));
    // What ends by itself is not touched.
    engine.line("run --rm --network none --timeout 1000 busybox sh -c exit").ok();
}

#[test]
fn pid_files() {
    let engine = engine();
    let (init, monitor) = (engine.path("init"), engine.path("monitor"));
    let (init_text, monitor_text) = (init.to_str().unwrap(), monitor.to_str().unwrap());
    engine.run(["run", "-d", "--name", "p", "--network", "none", "--pidfile", init_text]).assert_exit(125);
    let files = ["--pidfile", init_text, "--conmon-pidfile", monitor_text];
    engine
        .run(
            [&["run", "-d", "--name", "p", "--network", "none"], &files[..], &["busybox", "sleep", "1000"]]
                .concat(),
        )
        .ok();
    let p = inspect(&engine, "p");
    let read = |path| fs::read_to_string(path).unwrap().trim().to_owned();
    assert_eq!(read(&init), p["State"]["Pid"].to_string());
    assert_eq!((&p["PidFile"], &p["ConmonPidFile"]), (&init_text.into(), &monitor_text.into()));
    let parent = fs::read_to_string(format!("/proc/{}/status", read(&init))).unwrap();
    let parent = parent.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().to_owned();
    assert_eq!(read(&monitor), parent);
    engine
        .line("run --rm --network none --pidfile /nope/file busybox true")
        .assert_exit(126)
        .assert_stderr_has("/nope/file");
}

#[test]
fn those_required_are_started_first() {
    let engine = engine();
    engine.line("create --name db --network none busybox sleep 1000").ok();
    engine.line("run -d --name web --network none --requires db busybox sleep 1000").ok();
    assert_eq!(inspect(&engine, "db")["State"]["Running"], true);
    assert_eq!(inspect(&engine, "web")["Dependencies"][0], inspect(&engine, "db")["Id"]);
    engine.line("rm -f -t 0 db").assert_exit(125).assert_stderr_has("has dependent containers");
    engine
        .line("create --requires nope busybox")
        .assert_exit(125)
        .assert_stderr_has("\"nope\" is not a valid container");
    engine.line("rm -f -t 0 --depend db").ok();
    assert!(engine.ids().is_empty());
}

#[test]
fn the_image_goes_too() {
    let engine = engine();
    engine.line("create --name other busybox").ok();
    engine.line("run --rmi --network none busybox true").ok();
    engine.line("image exists busybox").ok();
    engine.line("rm other").ok();
    engine.line("run --rmi --network none busybox true").ok();
    engine.line("image exists busybox").assert_exit(1);
    assert!(engine.ids().is_empty());
}

#[test]
fn without_a_cgroup() {
    let engine = engine();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let pids = own.lines().find(|line| line.contains(":pids:") || line.starts_with("0::")).unwrap();
    let controller = if pids.contains(":pids:") { ":pids:" } else { "0::" };
    let script = format!("grep {controller} /proc/self/cgroup");
    assert_eq!(inside(&engine, &["--cgroups=disabled", "--cgroupns=host"], "busybox", &script), pids);
    engine.line("create --name c --cgroups disabled busybox").ok();
    assert_eq!(inspect(&engine, "c")["HostConfig"]["Cgroups"], "disabled");
}

#[test]
fn descriptors() {
    let engine = engine();
    for name in ["one", "two"] {
        fs::write(engine.path(name), format!("{name}\n")).unwrap();
    }
    let open = "exec 3<one 9<two;";
    let show = "cat <&3; cat <&9; for n in 4 5 6 7 8 10 32 33 34; do test ! -e /proc/self/fd/$n || echo extra $n; done";
    let run = ["run", "--rm", "--network=none", "--preserve-fd", "3,9", "busybox", "sh", "-c", show];
    assert_eq!(after(&engine, open, &run).ok().stdout, "one\ntwo\n");
    let run = [
        "run",
        "--rm",
        "--network=none",
        "--preserve-fds=1",
        "busybox",
        "sh",
        "-c",
        "cat <&3; test ! -e /proc/self/fd/9",
    ];
    assert_eq!(after(&engine, open, &run).ok().stdout, "one\n");
    for (flags, words) in [
        (&["--preserve-fds=2"][..], "file descriptor 4 is not available - the preserve-fds option"),
        (&["--preserve-fd=7"], "file descriptor 7 is not available - the preserve-fd option"),
        (&["--preserve-fds=1", "--preserve-fd=9"], "cannot specify both --preserve-fds and --preserve-fd"),
    ] {
        let run = [&["run", "--rm", "--network=none"], flags, &["busybox", "true"]].concat();
        after(&engine, open, &run).assert_exit(125).assert_stderr_has(words);
    }

    engine.line("run -d --name r --network none --cidfile").assert_exit(125);
    let cid = engine.path("cid");
    engine
        .run([
            "run",
            "-d",
            "--name",
            "r",
            "--network=none",
            "--cidfile",
            cid.to_str().unwrap(),
            "busybox",
            "sleep",
            "1000",
        ])
        .ok();
    let exec = ["exec", "--preserve-fd=3,9", "--no-session", "r", "sh", "-c", show];
    assert_eq!(after(&engine, open, &exec).ok().stdout, "one\ntwo\n");
    let exec =
        ["exec", "--preserve-fds=1", "--cidfile=cid", "sh", "-c", "cat <&3; test ! -e /proc/self/fd/9"];
    assert_eq!(after(&engine, open, &exec).ok().stdout, "one\n");
    let exec = ["exec", "--preserve-fds=2", "r", "true"];
    after(&engine, open, &exec).assert_exit(125).assert_stderr_has("file descriptor 4 is not available");
}

#[test]
fn the_pod_of_a_file() {
    let engine = engine();
    let file = engine.path("pod");
    let file = file.to_str().unwrap();
    engine.run(["pod", "create", "--name", "shop", "--network", "none", "--pod-id-file", file]).ok();
    let id = engine.run(["create", "--pod-id-file", file, "busybox"]).ok();
    let pod = engine.line("pod inspect shop").ok().stdout;
    assert!(pod.contains(id.text()), "{pod}");
    engine
        .line("create --pod-id-file /nope busybox")
        .assert_exit(125)
        .assert_stderr_has("reading pod ID file \"/nope\"");
    engine.line("pod rm -f -t 0 shop").ok();
}
