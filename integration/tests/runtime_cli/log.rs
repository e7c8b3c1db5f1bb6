//! --log, --log-format, --log-level: where messages go.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use serde_json::Value;

use crate::subject::{Bundle, Subject, is_crun, is_ours, run, runtime, subject};

#[test]
fn to_a_file() {
    let bundle = Bundle::new(&["true"]);
    let file = bundle.path().join("log");
    let path = file.to_str().expect("UTF-8");
    let prefixed = format!("file:{path}");
    for target in [path, &prefixed] {
        if target == prefixed && subject() == Subject::Runc {
            continue;
        }
        bundle.call(&["--log", target, "--log-format", "json", "state", "nonesuch"]).exits(1);
        let text = fs::read_to_string(&file).expect("the log");
        let line: Value = serde_json::from_str(&text).expect("JSON");
        assert!(line["msg"].as_str().is_some_and(|msg| msg.contains("does not exist")), "{line}");
        assert_eq!(line["level"], "error");
        fs::remove_file(&file).expect("the log");
    }
}

/// As in runc, nothing is done by a command whose messages nobody would find.
#[test]
fn that_cannot_be_written() {
    if is_crun() {
        return;
    }
    let bundle = Bundle::new(&["true"]);
    bundle.call(&["--log", "/nonesuch/log", "list"]).fails(1, "/nonesuch/log");
    bundle.call(&["--log", "none:/such/log", "list"]).fails(1, "none:/such/log");
}

#[test]
fn levels() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["true"]);
    let file = bundle.path().join("log");
    let path = file.to_str().expect("UTF-8");
    for (flags, debug) in [
        (&[][..], false),
        (&["--log-level", "error"], false),
        (&["--log-level", "debug"], true),
        (&["--debug"], true),
    ] {
        bundle.call(&[&["--log", path], flags, &["state", "nonesuch"]].concat()).exits(1);
        let text = fs::read_to_string(&file).expect("the log");
        assert_eq!(text.contains("level=debug"), debug, "{flags:?}: {text}");
        assert!(text.contains("level=error"), "{flags:?}: {text}");
        fs::remove_file(&file).expect("the log");
    }
    bundle.call(&["--log-level", "nonesuch", "list"]).fails(1, "nonesuch");
}

/// The services' sockets, in a mount namespace in which they are ours.
#[test]
fn to_the_journal_and_syslog() {
    if subject() == Subject::Runc {
        return;
    }
    let bundle = Bundle::new(&["true"]);
    let path = bundle.path().join("socket");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("a deadline");
    for (target, place, expected) in [
        ("journald:web", "/run/systemd/journal/socket", &["PRIORITY=3\n", "SYSLOG_IDENTIFIER=web\n"][..]),
        ("syslog:web", "/dev/log", &["web"]),
    ] {
        let script = r#"d=$(dirname "$1"); [ -d "$d" ] && mount -t tmpfs tmpfs "$d" || { mount -t tmpfs tmpfs /run; mkdir -p "$d"; }
            ln -s "$2" "$1"; shift 2; exec "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh", place]);
        command.arg(&path).arg(runtime()).args(["--log", target, "--root", "/nonesuch", "state", "nonesuch"]);
        run(command).exits(1);
        let mut buffer = [0; 4096];
        let n = socket.recv(&mut buffer).expect("a message");
        let text = String::from_utf8_lossy(&buffer[..n]);
        assert!(text.contains("does not exist"), "{target}: {text:?}");
        // crun goes through libsystemd and libc, which word it each in their way.
        assert!(is_crun() || expected.iter().all(|word| text.contains(word)), "{target}: {text:?}");
    }
}
