//! `logs`: what was written, when, rotated, followed.

use std::fs::{self, File};
use std::process::Stdio;

use ketch_integration::{Engine, program};

#[test]
fn both_streams_in_order() {
    let engine = Engine::with_busybox();
    engine
        .run([
            "run",
            "-d",
            "--name",
            "l",
            "busybox",
            "sh",
            "-c",
            "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three",
        ])
        .ok();
    engine.line("wait l").ok();
    let out = engine.line("logs l").ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("one\nthree", "two\n"));
    engine.line("logs --tail 1 l").ok().assert_stdout("three");
    let stamped = engine.line("logs -t l").ok();
    let stamp = stamped.stdout.split(' ').next().unwrap();
    assert!(stamp.contains('T') && stamp.len() > 20, "no time stamp in {stamped:#?}");
    engine.line("logs --since 2h l").ok().assert_stdout_has("one");
    engine.line("logs --until 2020-01-01T00:00:00Z l").ok().assert_stdout("");
    engine.line("logs nobody").assert_exit(125).assert_one_error_line();
}

#[test]
fn follow_ends_with_the_container() {
    let engine = Engine::with_busybox();
    engine
        .run([
            "run",
            "-d",
            "--name",
            "f",
            "busybox",
            "sh",
            "-c",
            "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done",
        ])
        .ok();
    engine.line("logs -f f").ok().assert_stdout("1\n2\n3\n4\n5");
}

/// With `max-size` the newest lines are kept, none is lost or split at a border, and the space is bounded.
#[test]
fn rotation_keeps_whole_lines() {
    let engine = Engine::with_busybox();
    let script = "i=0; while [ $i -lt 5000 ]; do echo line-$i; i=$((i+1)); done";
    engine
        .run([
            "run",
            "--name",
            "r",
            "--log-opt",
            "max-size=64k",
            "--log-opt",
            "max-file=3",
            "busybox",
            "sh",
            "-c",
            script,
        ])
        .ok();
    let out = engine.line("logs r").ok();
    let numbers: Vec<u32> =
        out.stdout.lines().map(|line| line.strip_prefix("line-").unwrap().parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "a line is missing");
    assert_eq!(numbers.last(), Some(&4999));
    assert!(numbers.len() < 5000, "nothing was rotated away");
    let id = engine.ids().remove(0);
    let kept: u64 = ketch_integration::leftovers::files(&engine.path("root/containers").join(&id))
        .iter()
        .filter(|file| file.to_string_lossy().contains("ctr.log"))
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert!(kept <= 3 * 64 * 1024, "{kept} bytes are kept");
}

/// Long lines, binary bytes and a terminal's line ends come out as they went in.
#[test]
fn odd_output() {
    let engine = Engine::with_busybox();
    let script = "head -c 100000 /dev/zero | tr '\\0' x; echo; printf 'a\\001b\\n'";
    engine.run(["run", "--name", "o", "busybox", "sh", "-c", script]).ok();
    let out = engine.line("logs o").ok();
    assert_eq!(out.stdout, format!("{}\na\u{1}b\n", "x".repeat(100_000)));
}

/// The container has the command's own streams, and nobody copies them.
#[test]
fn passed_through() {
    let engine = Engine::with_busybox();
    let script = "cat; echo out; echo err >&2; ls -l /proc/self/fd/1; exit 3";
    let mut command = engine.command();
    command.args([
        "run",
        "--name",
        "one",
        "--network",
        "none",
        "--log-driver",
        "passthrough",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    let input = engine.path("input");
    fs::write(&input, "in\n").unwrap();
    command.stdin(File::open(&input).unwrap());
    let out = program::finish(&mut command).assert_exit(3);
    assert!(out.stdout.starts_with("in\nout\n") && out.stderr == "err\n", "{out:#?}");
    engine
        .line("logs one")
        .assert_exit(125)
        .assert_stderr_has("cannot read logs: this container is not logging output");
    engine.run(["inspect", "-f", "{{.HostConfig.LogConfig.Type}}", "one"]).ok().assert_stdout("passthrough");
    // It keeps what it has of the command's open.
    let mut command = engine.command();
    command.args("run -d --name two --network none --log-driver passthrough busybox sleep 1000".split(' '));
    assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    engine.line("attach two").assert_exit(125).assert_stderr_has("cannot attach: container state improper");
    engine
        .line("run --rm -t --log-driver passthrough busybox true")
        .assert_exit(125)
        .assert_stderr_has("--tty cannot be used together");
    engine
        .line("run --rm --log-driver journald busybox true")
        .assert_exit(125)
        .assert_stderr_has("is not available");
}
