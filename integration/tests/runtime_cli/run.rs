//! run: one process from the bundle to the exit code.

use std::fs::{self, File};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::subject::{Bundle, Subject, is_ours, run, subject};

#[test]
fn the_exit_code_goes_through() {
    for (script, code) in [("exit 0", 0), ("exit 1", 1), ("exit 7", 7), ("exit 126", 126), ("exit 255", 255)]
    {
        let bundle = Bundle::new(&["sh", "-c", script]);
        bundle.make("run", &[]).exits(code);
        bundle.verb("state").fails(1, "does not exist");
    }
}

#[test]
fn output_and_input_go_through() {
    let bundle = Bundle::new(&["sh", "-c", "cat; echo out; echo err >&2"]);
    let input = bundle.path().join("input");
    fs::write(&input, "in\n").expect("a file");
    let path = bundle.path().to_str().expect("UTF-8");
    let mut command = bundle.command(&["run", "--bundle", path, &bundle.id]);
    command.stdin(File::open(input).expect("a file"));
    let out = run(command).succeeds();
    assert_eq!((&*out.stdout, &*out.stderr), ("in\nout\n", "err\n"));
}

#[test]
fn a_signal_that_ended_it_is_128_and_its_number() {
    let bundle = Bundle::new(&["sh", "-c", "echo started > /dev/stdout; exec sleep 1000"]);
    let mut child = foreground(&bundle);
    bundle.kill_and_wait();
    assert_eq!(child.wait().expect("it ends").code(), Some(137));
}

/// What is sent to the runtime in the foreground reaches the container.
#[test]
fn signals_are_forwarded() {
    let bundle =
        Bundle::new(&["sh", "-c", "trap 'exit 42' TERM; echo; while :; do sleep 1000 & wait $!; done"]);
    let mut child = foreground(&bundle);
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("kill");
    assert_eq!(child.wait().expect("it ends").code(), Some(42));
}

/// Runs in the foreground; returns once the container has written a line.
fn foreground(bundle: &Bundle) -> std::process::Child {
    let path = bundle.path().to_str().expect("UTF-8");
    let mut command = bundle.command(&["run", "--bundle", path, &bundle.id]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the runtime starts");
    let mut byte = [0];
    std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut byte).expect("a line");
    child
}

#[test]
fn keep_leaves_a_stopped_container() {
    let bundle = Bundle::new(&["true"]);
    bundle.make("run", &["--keep"]).succeeds();
    assert_eq!(bundle.status(), "stopped");
    bundle.verb("delete").succeeds();
}

#[test]
fn another_configuration_file() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["false"]);
    let config = fs::read_to_string(bundle.path().join("config.json")).expect("config.json");
    let mut config: Value = serde_json::from_str(&config).expect("JSON");
    config["process"]["args"] = json!(["true"]);
    fs::write(bundle.path().join("other.json"), config.to_string()).expect("other.json");
    bundle.make("run", &["--config", "other.json"]).succeeds();
    bundle.make("run", &["-f", "other.json"]).succeeds();
    bundle.make("run", &[]).exits(1);
}

#[test]
fn descriptors_are_preserved_when_asked_for() {
    for (flags, listed) in [(&["--preserve-fds", "1"][..], true), (&[], false)] {
        let bundle = Bundle::new(&["sh", "-c", "read line <&3 && echo $line"]);
        let file = bundle.path().join("three");
        fs::write(&file, "hello\n").expect("a file");
        // A shell puts the file on descriptor 3; the test's own threads keep theirs to themselves.
        let path = bundle.path().to_str().expect("UTF-8");
        let root = bundle.root();
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", r#"file=$1; shift; exec "$@" 3<"$file""#, "sh"])
            .arg(&file)
            .arg(crate::subject::runtime())
            .arg("--root")
            .arg(root)
            .args([&["run", "--bundle", path], flags, &[&bundle.id]].concat())
            .stdin(Stdio::null());
        let out = run(command);
        assert_eq!(out.stdout == "hello\n", listed, "{out:?}");
    }
}

/// As in crun, fewer may be there. What this program itself has open under such a number is not the container's: runc hands
/// down the host's cgroup root.
#[test]
fn descriptors_that_are_not_there_are_not_preserved() {
    if subject() == Subject::Runc {
        return;
    }
    let bundle = Bundle::new(&["sh", "-c", "echo /proc/self/fd/*"]);
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", r#"for n in 3 4 5 6 7 8 9; do eval "exec $n>&-"; done; exec 5<. "$@""#, "sh"])
        .arg(crate::subject::runtime())
        .arg("--root")
        .arg(bundle.root())
        .args(["run", "--bundle", bundle.path().to_str().expect("UTF-8"), "--preserve-fds", "7", &bundle.id])
        .stdin(Stdio::null());
    let out = run(command);
    // The third is of the directory that the shell reads.
    assert_eq!(
        out.stdout, "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3 /proc/self/fd/5\n",
        "{out:?}"
    );
}

#[test]
fn poststop_hooks_run_after_the_end() {
    let bundle = Bundle::new(&["true"]);
    let seen = bundle.path().join("seen");
    bundle.configure(|config| {
        let script = format!("cat > {}", seen.display());
        // runtime-spec: the remaining hooks run as if the one that failed had not. runc leaves them out.
        let first = if subject() == Subject::Runc { "/bin/true" } else { "/bin/false" };
        config["hooks"]["poststop"] = json!([
            { "path": first },
            { "path": "/bin/sh", "args": ["sh", "-c", script] },
        ]);
    });
    let out = bundle.make("run", &[]).succeeds();
    if is_ours() {
        assert!(out.stderr.contains("/bin/false"), "a failed hook is warned of: {out:?}");
    }
    let state: Value =
        serde_json::from_slice(&fs::read(seen).expect("the hook ran")).expect("a state on its stdin");
    assert_eq!((&state["id"], &state["status"]), (&json!(bundle.id), &json!("stopped")));
}
