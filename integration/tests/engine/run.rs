//! `run` in the foreground: exit codes, streams, and what the image says.

use ketch_integration::{Engine, ImageBuilder, program};
use serde_json::json;

/// podman: 125 the engine, 126 cannot be executed, 127 not found, else the command's own.
#[test]
fn exit_codes() {
    let engine = Engine::with_busybox();
    engine.line("run --rm busybox true").assert_exit(0);
    engine.line("run --rm busybox false").assert_exit(1);
    engine.run(["run", "--rm", "busybox", "sh", "-c", "exit 42"]).assert_exit(42);
    engine.run(["run", "--rm", "busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"]).assert_exit(137);
    engine.line("run --rm busybox no-such-command").assert_exit(127).assert_one_error_line();
    engine.line("run --rm busybox /no/such/file").assert_exit(127).assert_one_error_line();
    engine.line("run --rm busybox /etc").assert_exit(126).assert_one_error_line();
    engine.line("run --rm busybox /etc/passwd").assert_exit(126).assert_one_error_line();
    engine.line("run --rm --no-such-flag busybox true").assert_exit(125);
    engine.line("run --rm --memory=lots busybox true").assert_exit(125);
    assert!(engine.ids().is_empty(), "--rm left a container that did not start");
}

#[test]
fn streams_are_kept_apart() {
    let engine = Engine::with_busybox();
    let out = engine.run(["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn stdin_reaches_the_container() {
    let engine = Engine::with_busybox();
    let file = engine.path("input");
    std::fs::write(&file, "some\nlines\n").unwrap();
    let mut command = engine.command();
    command.args(["run", "--rm", "-i", "busybox", "wc", "-l"]).stdin(std::fs::File::open(&file).unwrap());
    program::finish(&mut command).ok().assert_stdout("2");
    // Without -i it is /dev/null.
    let mut command = engine.command();
    command.args(["run", "--rm", "busybox", "wc", "-l"]).stdin(std::fs::File::open(&file).unwrap());
    program::finish(&mut command).ok().assert_stdout("0");
}

/// Ten MiB through `-i` and back: nothing is lost, nothing is reordered.
#[test]
fn large_streams_are_whole() {
    let engine = Engine::with_busybox();
    let bytes: Vec<u8> = (0..10_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let file = engine.path("input");
    std::fs::write(&file, &bytes).unwrap();
    let mut command = engine.command();
    command.args(["run", "--rm", "-i", "busybox", "cat"]).stdin(std::fs::File::open(&file).unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == bytes, "{} bytes came back of {}", output.stdout.len(), bytes.len());
}

#[test]
fn the_image_is_honoured() {
    let engine = Engine::new();
    let archive = engine.path("image.tar");
    ImageBuilder::busybox()
        .name("localhost/told:1")
        .config("Env", json!(["PATH=/bin", "COLOUR=blue", "SIZE=small"]))
        .config("Entrypoint", json!(["/bin/sh", "-c"]))
        .config("Cmd", json!(["echo $COLOUR $SIZE $(id -un) $(pwd)"]))
        .config("User", json!("kim"))
        .config("WorkingDir", json!("/work/place"))
        .config("Labels", json!({"stage": "test"}))
        .config("Volumes", json!({"/data": {}}))
        .config("StopSignal", json!("SIGINT"))
        .docker_archive(&archive);
    engine.run(["load", "-q", "-i", archive.to_str().unwrap()]).ok();
    engine.line("run --rm told:1").ok().assert_stdout("blue small kim /work/place");
    engine.line("run --rm -e SIZE=large -u root -w /tmp told:1").ok().assert_stdout("blue large root /tmp");
    engine.run(["run", "--rm", "told:1", "echo own command"]).ok().assert_stdout("own command");
    engine.run(["run", "--rm", "--entrypoint", "/bin/echo", "told:1", "a", "b"]).ok().assert_stdout("a b");
    engine
        .run(["run", "--rm", "-u", "0", "told:1", "grep -c ' /data ' /proc/self/mountinfo"])
        .ok()
        .assert_stdout("1");
    engine.line("create --name told told:1").ok();
    let inspect = engine.line("inspect told").ok().json();
    assert_eq!(inspect[0]["Config"]["Labels"]["stage"], "test");
    assert_eq!(inspect[0]["Config"]["StopSignal"], "SIGINT");
    assert_eq!(inspect[0]["Config"]["WorkingDir"], "/work/place");
}

/// A second pid namespace, an own hostname, and no way to see the host's processes.
#[test]
fn namespaces_are_its_own() {
    let engine = Engine::with_busybox();
    engine
        .run(["run", "--rm", "busybox", "sh", "-c", "echo $$; ls -d /proc/[0-9]* | wc -l"])
        .ok()
        .assert_stdout_has("1\n");
    let id = engine.line("create busybox hostname").ok().text().to_owned();
    engine.run(["start", "-a", &id]).ok().assert_stdout(&id[..12]);
    engine.line("run --rm --hostname quay busybox hostname").ok().assert_stdout("quay");
    engine
        .run(["run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net"])
        .ok()
        .assert_stdout("lo");
    let host = engine.netns().within(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap());
    engine
        .run(["run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net"])
        .ok()
        .assert_stdout(host.to_str().unwrap());
}
