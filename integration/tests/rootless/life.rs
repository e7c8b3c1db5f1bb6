//! A container's life without root, from the image to its removal.

use std::collections::BTreeSet;
use std::fs;

use ketch_integration::Engine;

#[test]
fn hello() {
    Engine::of_user().line("run --rm --network none hello").ok().assert_stdout_has("Hello");
}

#[test]
fn from_start_to_removal() {
    let engine = Engine::of_user().load_busybox();
    let script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done";
    engine.run(["run", "-d", "--network", "none", "--name", "c", "busybox", "sh", "-c", script]).ok();
    engine.wait_for_log("c", "up");
    engine.line("ps --format {{.Names}}").assert_stdout("c");
    engine.line("exec c id -u").ok().assert_stdout("0");
    engine.line("exec -u kim c id -u").ok().assert_stdout("1000");
    engine.line("exec -t c tty").ok().assert_stdout_has("/dev/pts/");
    engine.line("top c args").ok().assert_stdout_has("while :");
    engine.line("stop -t 60 c").ok();
    engine.line("logs c").ok().assert_stdout("up\nbye");
    let state = engine.line("inspect c").ok().json()[0]["State"].clone();
    assert_eq!((state["Status"].as_str(), state["ExitCode"].as_i64()), (Some("exited"), Some(3)), "{state}");
    engine.line("start c").ok();
    engine.line("kill c").ok();
    engine.line("wait c").ok().assert_stdout("137");
    engine.line("rm c").ok();
    engine.line("rmi busybox").ok();
}

/// Who does not own a namespace cannot mount the file system that tells about it: these are bound.
#[test]
fn namespaces_of_the_host() {
    let engine = Engine::of_user().load_busybox();
    engine.line("run --rm --network host busybox ls /sys/class/net").ok().assert_stdout_has("lo");
}

#[test]
fn privileged_is_all_that_the_user_has() {
    let engine = Engine::of_user().load_busybox();
    let out = engine.line("run --rm --network none --privileged busybox grep CapEff /proc/self/status").ok();
    let digits = out.text().rsplit('\t').next().unwrap_or_default().to_owned();
    let held = u64::from_str_radix(&digits, 16).unwrap();
    assert!(held.count_ones() > 30, "{held:x}");
    engine.line("run --rm --network none --privileged busybox test -c /dev/null -a -L /dev/ptmx").ok();
}

/// Whoever comes first makes the namespaces; nobody makes a second pair.
#[test]
fn commands_at_once_share_their_namespaces() {
    let engine = Engine::of_user().load_busybox();
    let commands: Vec<_> = (0..6)
        .map(|number| {
            let mut command = engine.command();
            command.args([
                "run",
                "-d",
                "--network",
                "none",
                "--name",
                &format!("c{number}"),
                "busybox",
                "sleep",
                "1000",
            ]);
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut command in commands {
        assert!(command.wait().unwrap().success());
    }
    let pids = engine.line("ps --format {{.Pid}}").ok();
    let namespaces: BTreeSet<_> = pids
        .stdout
        .split_whitespace()
        .map(|pid| fs::read_link(format!("/proc/{pid}/ns/user")).unwrap())
        .collect();
    assert_eq!((pids.stdout.lines().count(), namespaces.len()), (6, 1), "{pids:#?} {namespaces:?}");

    let own = engine.line("unshare readlink /proc/self/ns/user").ok();
    assert_eq!(namespaces.first().unwrap().to_str(), Some(own.text()));
}

#[test]
fn commands_inside_unshare() {
    let engine = Engine::of_user().load_busybox();
    let ketch = engine.path("ketch").display().to_string();
    let script = format!(
        "id -u; readlink /proc/self/ns/user; {ketch} run -d --network none --name c busybox sleep 1000 >/dev/null; {ketch} ps --format '{{{{.Names}}}}'"
    );
    let inside = engine.run(["unshare", "sh", "-c", &script]).ok();
    let lines: Vec<&str> = inside.stdout.lines().collect();
    assert_eq!((lines.first(), lines.get(2)), (Some(&"0"), Some(&"c")), "{inside:#?}");
    engine.line("unshare readlink /proc/self/ns/user").ok().assert_stdout(lines[1]);
    engine.line("unshare no-such-command").assert_exit(127).assert_one_error_line();
}
