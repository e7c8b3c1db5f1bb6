//! create, start, stop, kill, rm, wait, exec, top, and the many ways to name a container.

use std::process::Stdio;
use std::time::{Duration, Instant};

use ketch_integration::Engine;
use ketch_integration::kills::{end, monitors};

fn status(engine: &Engine, name: &str) -> String {
    engine.run(["inspect", "--format", "{{.State.Status}}", name]).ok().text().to_owned()
}

#[test]
fn a_whole_life() {
    let engine = Engine::with_busybox();
    let id = engine.line("create --name life busybox sleep 1000").ok().text().to_owned();
    assert_eq!((id.len(), status(&engine, "life").as_str()), (64, "created"));
    engine.line("start life").ok().assert_stdout("life");
    assert_eq!(status(&engine, &id[..8]), "running");
    engine.line("rm life").assert_exit(2).assert_stderr_has("running");
    engine.line("exec life echo hi").ok().assert_stdout("hi");
    engine.line("top life").ok().assert_stdout_has("sleep 1000");
    engine.line("stop -t 0 life").ok().assert_stdout("life");
    assert_eq!(status(&engine, "life"), "exited");
    engine.line("wait life").ok().assert_stdout("137");
    engine.line("start life").ok();
    assert_eq!(status(&engine, "life"), "running");
    engine.line("rm -f -t 0 life").ok().assert_stdout("life");
    engine.line("inspect life").assert_exit(125);
}

#[test]
fn stop_sends_the_stop_signal_first() {
    let engine = Engine::with_busybox();
    let script = "trap 'exit 3' TERM; trap 'exit 4' USR1; echo ready; while :; do sleep 0.05; done";
    for (options, code) in [(vec![], 3), (vec!["--stop-signal", "USR1"], 4)] {
        let args = [vec!["run", "-d", "--name", "s"], options, vec!["busybox", "sh", "-c", script]].concat();
        engine.run(args).ok();
        engine.wait_for_log("s", "ready");
        engine.line("stop s").ok();
        assert_eq!(engine.line("inspect s").ok().json()[0]["State"]["ExitCode"], code);
        engine.line("rm s").ok();
    }
}

#[test]
fn kill_and_wait() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name k busybox sleep 1000").ok();
    engine.line("kill -s NOSUCH k").assert_exit(125);
    engine.line("kill -s KILL k").ok().assert_stdout("k");
    engine.line("wait k").ok().assert_stdout("137");
    engine.line("kill k").assert_exit(125).assert_one_error_line();
}

#[test]
fn exec_runs_inside() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name e --hostname inn busybox sleep 1000").ok();
    engine.line("exec e hostname").ok().assert_stdout("inn");
    engine
        .run(["exec", "-e", "X=y", "-w", "/tmp", "-u", "kim", "e", "sh", "-c", "echo $X $(pwd) $(id -un)"])
        .ok()
        .assert_stdout("y /tmp kim");
    engine.run(["exec", "e", "sh", "-c", "exit 9"]).assert_exit(9);
    engine.run(["exec", "e", "sh", "-c", "kill -15 $$"]).assert_exit(143);
    engine.line("exec e no-such-thing").assert_exit(127).assert_one_error_line();
    engine.line("exec e /etc/passwd").assert_exit(126).assert_one_error_line();
    engine.line("exec missing true").assert_exit(125).assert_one_error_line();
    engine.line("exec -d e touch /tmp/done").ok();
    engine.run(["exec", "e", "sh", "-c", "until [ -e /tmp/done ]; do sleep 0.05; done"]).ok();
    engine.line("stop -t 0 e").ok();
    engine.line("exec e true").assert_exit(255).assert_one_error_line();
}

#[test]
fn names_and_prefixes() {
    let engine = Engine::with_busybox();
    let first = engine.line("create --name one busybox").ok().text().to_owned();
    let second = engine.line("create busybox").ok().text().to_owned();
    engine.line("create --name one busybox").assert_exit(125).assert_stderr_has("already in use");
    engine.run(["create", "--name", "bad name", "busybox"]).assert_exit(125).assert_one_error_line();
    assert_eq!(engine.line("inspect --latest --format {{.Id}}").ok().text(), second);
    assert_eq!(engine.run(["inspect", "--format", "{{.Name}}", &first[..10]]).ok().text(), "one");
    engine.line("rm nobody").assert_exit(1).assert_stderr_has("nobody");
    let listed = engine.line("ps -a -q --no-trunc").ok().stdout;
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        [first.as_str(), second.as_str()],
        "oldest first, as podman"
    );
}

#[test]
fn ps_shows_what_runs() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name up busybox sleep 1000").ok();
    engine.run(["run", "--name", "down", "busybox", "sh", "-c", "exit 3"]).assert_exit(3);
    engine.line("create --name new busybox").ok();
    engine.line("ps --format {{.Names}}").ok().assert_stdout("up");
    let all = engine.line("ps -a").ok();
    for part in ["CONTAINER ID", "Up ", "Exited (3)", "Created", "docker.io/library/busybox:latest"] {
        assert!(all.stdout.contains(part), "ps -a lacks {part:?}\n{}", all.stdout);
    }
    let json = engine.line("ps -a --format json").ok().json();
    assert_eq!(json.as_array().map(Vec::len), Some(3));
    engine.line("ps -a --filter status=exited --format {{.Names}}").ok().assert_stdout("down");
    engine.line("ps -a --filter name=ne --format {{.Names}}").ok().assert_stdout("new");
}

/// `--rm` needs nobody's help, also when the command line that started it is gone.
#[test]
fn removal_by_itself() {
    let engine = Engine::with_busybox();
    let id = engine.line("run -d --rm --name brief busybox sleep 0.3").ok().text().to_owned();
    assert_eq!(engine.ids(), [id]);
    engine.line("wait brief");
    let mut command = engine.command();
    let mut client =
        command.args(["run", "--rm", "--name", "orphan", "busybox", "sleep", "0.5"]).spawn().unwrap();
    while engine.line("ps -q --filter name=orphan").text().is_empty() {
        std::thread::yield_now();
    }
    client.kill().unwrap();
    client.wait().unwrap();
    engine.line("wait orphan");
    // Killed before it had let the container go, nobody can wait for more than its never running.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !engine.ids().is_empty() {
        assert!(Instant::now() < deadline, "{:#?} stays", engine.line("ps -a"));
        std::thread::yield_now();
    }
}

/// One that runs on without its monitor cannot be attached to. `start -a`, of a unit for instance, stops it first.
#[test]
fn an_orphan_is_started_anew() {
    let engine = Engine::with_busybox();
    let script = "trap 'echo bye >>/end; exit' TERM; cat /end; echo up; while :; do sleep 0.05; done";
    engine.run(["run", "-d", "--name", "alone", "busybox", "sh", "-c", script]).ok();
    engine.wait_for_log("alone", "up");
    let pid = || engine.run(["inspect", "-f", "{{.State.Pid}}", "alone"]).ok().text().to_owned();
    let first = pid();
    monitors(engine.dir()).into_iter().for_each(end);
    engine.line("start alone").ok();
    assert_eq!(pid(), first, "it runs, and that is all that was asked for");

    let client = engine.command().args(["start", "-a", "alone"]).stdout(Stdio::piped()).spawn().unwrap();
    engine.wait_for_log("alone", "bye");
    assert_ne!(pid(), first);
    engine.line("stop alone").ok();
    let out = client.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(0));
    assert!(out.stdout.starts_with(b"bye\n"), "{out:?}");
}

/// Nothing that a container's root can hold keeps it from being removed.
#[test]
fn stubborn_files_are_removed() {
    let engine = Engine::with_busybox();
    let script = "mkdir -p /a/b/c; ln -s / /a/root; chmod 000 /a/b; mkfifo /a/f; \
        i=0; d=/deep; while [ $i -lt 300 ]; do d=$d/dddddddddd; i=$((i+1)); done; mkdir -p $d 2>/dev/null; echo done";
    engine.run(["run", "--name", "stubborn", "busybox", "sh", "-c", script]).ok();
    engine.line("rm stubborn").ok();
}
