//! What a service manager gives to `run` and `start`: sockets, and an address to report to. The real one is met in the
//! tests of `vm`.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use ketch_integration::{Engine, Output, program};

/// What busybox has to talk to a datagram socket: a line of its own in a message to the system log.
const SAY_READY: &str = "ln -s $NOTIFY_SOCKET /dev/log && logger -- \"
READY=1\"";

/// Runs `command` in a shell that has opened descriptors and sets variables before it becomes the command.
fn activated(engine: &Engine, prelude: &str, words: &[&str]) -> Output {
    let command = engine.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{prelude} exec \"$@\""), "sh"]).arg(command.get_program());
    shell.args(command.get_args()).args(words).current_dir(engine.dir());
    program::finish(&mut shell)
}

const TWO: &str = "exec 3<one 4<two 9<one; export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b;";
const SHOW: &str = "cat <&3; cat <&4; echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; \
    for n in 5 6 7 8 9 32 33 34; do test ! -e /proc/self/fd/$n || echo extra $n; done";
const SHOWN: &str = "one\ntwo\n2 1 a:b\n";

fn with_two_files() -> Engine {
    let engine = Engine::with_busybox();
    for name in ["one", "two"] {
        std::fs::write(engine.path(name), format!("{name}\n")).unwrap();
    }
    engine
}

#[test]
fn run_passes_descriptors_on() {
    let engine = with_two_files();
    let args = ["run", "--rm", "--network=none", "busybox", "sh", "-c", SHOW];
    assert_eq!(activated(&engine, TWO, &args).ok().stdout, SHOWN);
}

#[test]
fn start_passes_descriptors_on() {
    let engine = with_two_files();
    engine.run(["create", "--name=web", "--network=none", "busybox", "sh", "-c", SHOW]).ok();
    assert_eq!(activated(&engine, TWO, &["start", "-a", "web"]).ok().stdout, SHOWN);
    // The next start was given none.
    let plain = activated(&engine, "", &["start", "-a", "web"]);
    assert!(!plain.stdout.contains("one"), "{plain:#?}");
}

/// They are some other process's, as sd_listen_fds(3) has it.
#[test]
fn descriptors_of_another_process_are_left_alone() {
    let engine = with_two_files();
    let prelude = "exec 3<one; export LISTEN_PID=1 LISTEN_FDS=1;";
    let args = [
        "run",
        "--rm",
        "--network=none",
        "busybox",
        "sh",
        "-c",
        "echo ${LISTEN_FDS-none}; test ! -e /proc/1/fd/3",
    ];
    assert_eq!(activated(&engine, prelude, &args).ok().stdout, "none\n");
}

#[test]
fn a_descriptor_that_is_not_there_is_an_error() {
    let engine = Engine::with_busybox();
    let prelude = "export LISTEN_PID=$$ LISTEN_FDS=1; exec 3<&-;";
    let out = activated(&engine, prelude, &["run", "--rm", "--network=none", "busybox", "true"]);
    out.assert_exit(125).assert_stderr_has("cannot take descriptor 3");
}

/// Runs a container below a manager of the test's own, and gives what it was told.
fn told(mode: &str, script: &str) -> (Output, Vec<String>) {
    told_of(&[mode], script)
}

fn told_of(flags: &[&str], script: &str) -> (Output, Vec<String>) {
    let engine = Engine::with_busybox();
    let manager = UnixDatagram::bind(engine.path("manager")).unwrap();
    let mut command = engine.command();
    command.env("NOTIFY_SOCKET", engine.path("manager"));
    command.args(["run", "--rm", "--network=none"]).args(flags).args(["busybox", "sh", "-c", script]);
    let output = program::finish(&mut command);
    // All has been sent: the container has ended, and its monitor said all it had to before.
    manager.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut messages = Vec::new();
    let mut buffer = [0; 256];
    loop {
        match manager.recv(&mut buffer) {
            Ok(length) => messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (output, messages),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_container_says_that_it_is_ready() {
    let (output, messages) = told("--sdnotify=container", SAY_READY);
    output.ok();
    assert!(messages[0].starts_with("MAINPID="), "{messages:?}");
    assert_eq!(messages[1..], ["READY=1"]);
}

/// What else a container says is not for the service manager: runc and podman pass nothing else on.
#[test]
fn a_container_says_nothing_else() {
    let (output, messages) = told("--sdnotify=container", &SAY_READY.replace("READY=1", "MAINPID=1"));
    output.ok();
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[test]
fn conmon_is_ready_when_the_container_runs() {
    let (output, messages) = told("--sdnotify=conmon", "test -z \"$NOTIFY_SOCKET\" && test ! -e /run/notify");
    output.ok();
    // From the second on, a message must come from the new main process.
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].starts_with("MAINPID=") && messages[0].ends_with("\nREADY=1"), "{messages:?}");
}

/// Once, and not before the check says so.
#[test]
fn healthy_is_ready_when_a_check_says_so() {
    // Each check leaves a line; the second one is the first good one.
    let check = "--health-cmd=echo >>/checks; test $(wc -l </checks) -ge 2";
    let script = "test -z \"$NOTIFY_SOCKET\"; until test \"$(wc -l </checks 2>/dev/null || echo 0)\" -ge 4; do sleep 0.1; done";
    let (output, messages) = told_of(&["--sdnotify=healthy", check, "--health-interval=1s"], script);
    output.ok();
    assert!(messages[0].starts_with("MAINPID="), "{messages:?}");
    assert_eq!(messages[1..], ["READY=1"]);
}

#[test]
fn ignore_says_nothing() {
    let (output, messages) = told("--sdnotify=ignore", "test -z \"$NOTIFY_SOCKET\"");
    output.ok();
    assert!(messages.is_empty(), "{messages:?}");
}

#[test]
fn a_manager_that_is_not_there_is_named() {
    let engine = Engine::with_busybox();
    let mut command = engine.command();
    command.env("NOTIFY_SOCKET", "/nowhere/notify");
    command.args(["run", "--name=web", "--network=none", "busybox", "true"]);
    program::finish(&mut command)
        .assert_exit(125)
        .assert_stderr_has("cannot notify the service manager at /nowhere/notify");
}

#[test]
fn unknown_and_unavailable_modes() {
    let engine = Engine::with_busybox();
    engine
        .line("run --rm --sdnotify=healthy busybox true")
        .assert_exit(125)
        .assert_stderr_has("sdnotify policy \"healthy\" requires a healthcheck to be set");
    engine
        .line("run --rm --sdnotify=bogus busybox true")
        .assert_exit(125)
        .assert_stderr_has("invalid sdnotify value \"bogus\": must be conmon, container, healthy or ignore");
}
