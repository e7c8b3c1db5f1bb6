//! events: what has happened, and what happens.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ketch_integration::Engine;

const PAST: [&str; 4] = ["events", "--stream=false", "--format", "{{.Type}} {{.Status}} {{.Name}}"];

/// What has happened so far, but for the image.
fn happened(engine: &Engine) -> Vec<String> {
    let past = engine.run(PAST).ok();
    past.stdout.lines().filter(|line| !line.starts_with("image ")).map(str::to_owned).collect()
}

#[test]
fn a_life_in_order() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name a --label x=y busybox sleep 1000").ok();
    engine.line("pause a").ok();
    engine.line("unpause a").ok();
    engine.run(["exec", "a", "sh", "-c", "exit 7"]).assert_exit(7);
    engine.line("rename a b").ok();
    engine.line("kill -s USR1 b").ok();
    engine.line("restart -t 0 b").ok();
    engine.line("stop -t 0 b").ok();
    engine.line("rm b").ok();
    let expected = [
        "create a",
        "init a",
        "start a",
        "pause a",
        "unpause a",
        "exec a",
        "exec_died a",
        "rename b",
        "kill b",
        "restart b",
        "stop b",
        "died b",
        "cleanup b",
        "init b",
        "start b",
        "stop b",
        "died b",
        "cleanup b",
        "remove b",
    ];
    assert_eq!(happened(&engine), expected.map(|event| format!("container {event}")));

    let codes = "{{.Status}} {{.ContainerExitCode}} {{.Image}} {{.Attributes.x}}";
    let died =
        engine.run(["events", "--stream=false", "--format", codes, "--filter", "event=exec_died"]).ok();
    died.assert_stdout("exec_died 7 docker.io/library/busybox:latest y");
    let removed = engine.line("events --stream=false --format json --filter event=remove").ok().json();
    assert_eq!((&removed["ContainerExitCode"], &removed["Attributes"]["x"]), (&137.into(), &"y".into()));
    assert_eq!(removed["time"].as_u64(), removed["timeNano"].as_u64().map(|nanos| nanos / 1_000_000_000));
}

/// A short life too is noted from its beginning to its end, by whoever sees each of them.
#[test]
fn run_rm_is_in_order() {
    let engine = Engine::with_busybox();
    for _ in 0..5 {
        engine.line("run --rm --name r busybox true").ok();
    }
    let one = ["create", "init", "start", "attach", "died", "remove"];
    let expected: Vec<String> =
        (0..5).flat_map(|_| one.map(|event| format!("container {event} r"))).collect();
    assert_eq!(happened(&engine), expected);
    // What never ran has not died.
    engine.line("run --rm --name f busybox no-such-thing").assert_exit(127);
    assert_eq!(happened(&engine)[expected.len()..], ["container create f", "container remove f"]);
}

#[test]
fn images_and_volumes() {
    let engine = Engine::with_busybox();
    engine.line("tag busybox other:1").ok();
    engine.line("untag busybox localhost/other:1").ok();
    engine.line("pull --tls-verify=false 127.0.0.1:1/nothing").assert_exit(125);
    engine.line("volume create v").ok();
    engine.line("volume rm v").ok();
    engine.line("rmi busybox").ok();
    let expected = [
        &format!("image loadfromarchive {}", engine.path("image.tar").display()),
        "image tag localhost/other:1",
        "image untag localhost/other:1",
        "image pull-error 127.0.0.1:1/nothing",
        "volume create v",
        "volume remove v",
        "image untag docker.io/library/busybox:latest",
        "image remove docker.io/library/busybox:latest",
    ];
    let past = engine.run(PAST).ok();
    assert_eq!(past.stdout.lines().collect::<Vec<_>>(), expected);
    engine
        .line("events --stream=false --filter type=volume --filter event=remove --format {{.Name}}")
        .ok()
        .assert_stdout("v");
    let text = engine.line("events --stream=false --filter type=volume --filter event=create").ok();
    assert!(text.stdout.contains(" +0000 UTC volume create v\n"), "{}", text.stdout);
}

#[test]
fn filters_and_times() {
    let engine = Engine::with_busybox();
    engine.line("create --name one busybox").ok();
    let two = engine.line("create --name two --label a=b busybox").ok().text().to_owned();
    let names = |more: &[&str]| {
        let args =
            [&["events", "--stream=false", "--format", "{{.Name}}", "--filter", "type=container"], more]
                .concat();
        engine.run(args).ok().text().replace('\n', " ")
    };
    assert_eq!(names(&[]), "one two");
    assert_eq!(names(&["--filter", "container=one"]), "one");
    assert_eq!(names(&["--filter", &format!("container={}", &two[..8])]), "two");
    assert_eq!(names(&["--filter", "container=one", "--filter", "container=two"]), "one two");
    assert_eq!(names(&["--filter", "label=a=b"]), "two");
    assert_eq!(names(&["--since", "1h"]), "one two");
    assert_eq!(names(&["--since", "2100-01-01"]), "");
    assert_eq!(names(&["--until", "2020-01-01"]), "");
    for (line, text) in [
        ("events --filter foo=1", "failed to parse event filters: foo is an invalid filter"),
        ("events --since bad", "unable to interpret time value"),
        ("events --format {{", "invalid --format"),
    ] {
        engine.line(line).assert_exit(125).assert_stderr_has(text).assert_one_error_line();
    }
}

#[test]
fn follows() {
    let engine = Engine::with_busybox();
    engine.line("create --name before busybox").ok();
    let mut command = engine.command();
    let args = ["events", "--since", "1h", "--filter", "type=container", "--format", "{{.Status}} {{.Name}}"];
    let mut live = command.args(args).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(live.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().expect("one more line").expect("text");
    assert_eq!(line(), "create before");
    engine.line("create --name after busybox").ok();
    assert_eq!(line(), "create after");
    engine.line("rm after").ok();
    assert_eq!(line(), "remove after");
    live.kill().expect("it lives");
    live.wait().expect("it has ended");
    // A moment that comes ends it.
    let ended = engine.line("events --since 1h --until 1s --filter event=create --format {{.Name}}").ok();
    ended.assert_stdout("before\nafter");
}
