//! exec: one more process.

use std::fs;

use serde_json::json;

use crate::subject::{Bundle, is_crun, is_ours};

fn running() -> Bundle {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    bundle
}

#[test]
fn the_exit_code_goes_through() {
    let bundle = running();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)] {
        bundle.call(&["exec", &bundle.id, "sh", "-c", script]).exits(code);
    }
}

#[test]
fn flags_change_the_process() {
    let bundle = running();
    let id = bundle.id.as_str();
    for (flags, command, expected) in [
        (&[][..], &["pwd"][..], "/\n"),
        (&["--cwd", "/tmp"], &["pwd"], "/tmp\n"),
        (&["--env", "A=1", "--env", "B=2"], &["sh", "-c", "echo $A$B"], "12\n"),
        (&["--user", "1000:100"], &["sh", "-c", "id -u; id -g"], "1000\n100\n"),
        (&["-u", "5"], &["id", "-u"], "5\n"),
        (&["-u", "5:5", "-g", "7", "-g", "8"], &["id", "-G"], "5 7 8\n"),
        (&[], &["echo", "-n", "--help"], "--help"),
        (
            &["--cap", "CAP_SYS_ADMIN"],
            &[
                "sh",
                "-c",
                "cat /proc/self/status | while read k v; do [ $k = CapBnd: ] && echo $v; done; true",
            ],
            "0000000020200420\n",
        ),
    ] {
        // crun has no -g, and gives an added capability alone.
        if (flags.contains(&"-g") || flags.contains(&"--cap")) && is_crun() {
            continue;
        }
        let out = bundle.call(&[&["exec"], flags, &[id], command].concat()).succeeds();
        assert_eq!(out.stdout, expected, "{flags:?} {command:?}");
    }
}

#[test]
fn a_process_from_a_file() {
    let bundle = running();
    let file = bundle.path().join("process.json");
    let process = json!({
        "user": { "uid": 3, "gid": 4 },
        "args": ["sh", "-c", "id -u; pwd; echo $X"],
        "env": ["PATH=/bin", "X=y"],
        "cwd": "/tmp",
    });
    fs::write(&file, process.to_string()).expect("a file");
    let out = bundle.call(&["exec", "--process", file.to_str().expect("UTF-8"), &bundle.id]).succeeds();
    assert_eq!(out.stdout, "3\n/tmp\ny\n");
}

#[test]
fn detached_with_a_pid_file() {
    let bundle = running();
    let file = bundle.path().join("pid");
    let path = file.to_str().expect("UTF-8");
    bundle.call(&["exec", "--detach", "--pid-file", path, &bundle.id, "sleep", "1000"]).succeeds();
    let pid = fs::read_to_string(file).expect("the pid file");
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs");
    // crun returns before the program is executed.
    assert!(command == "sleep\x001000\0" || is_crun(), "{command:?}");
}

#[test]
fn what_cannot_start_is_255() {
    let bundle = running();
    let id = bundle.id.as_str();
    // crun's is 1.
    if !is_ours() {
        return;
    }
    bundle.call(&["exec", id, "nonesuch"]).fails(255, "nonesuch");
    bundle.call(&["exec", "nope", "true"]).fails(255, "does not exist");
    bundle.call(&["exec", id]).fails(255, "required");
    bundle.call(&["exec", "--cap", "FOO", id, "true"]).fails(255, "unknown capability");
    bundle.call(&["exec", "--user", "root", id, "true"]).fails(255, "invalid user");
    bundle.call(&["exec", "--cwd", "/nonesuch", id, "true"]).fails(255, "/nonesuch");
    bundle.call(&["exec", "--detach", "--tty", id, "true"]).fails(255, "--console-socket");
    bundle.kill_and_wait();
    bundle.call(&["exec", id, "true"]).fails(255, "running");
}
