//! What is refused, how that is said, and that nothing of it is left.

use std::fs;

use serde_json::Value;

use crate::subject::{Bundle, is_crun, is_ours};

#[test]
fn a_broken_bundle() {
    let bundle = Bundle::new(&["true"]);
    let config = bundle.path().join("config.json");
    bundle.call(&["create", "--bundle", "/nonesuch", &bundle.id]).fails(1, "/nonesuch");
    fs::write(&config, "{").expect("config.json");
    bundle.make("create", &[]).fails(1, "config.json");
    fs::write(&config, "{}").expect("config.json");
    bundle.make("create", &[]).exits(1);
    fs::remove_file(&config).expect("config.json");
    bundle.make("create", &[]).fails(1, "config.json");
    bundle.make("run", &[]).fails(1, "config.json");
    bundle.verb("state").fails(1, "does not exist");
    assert!(bundle.cgroups().is_empty());
}

#[test]
fn a_program_that_is_not_there() {
    let bundle = Bundle::new(&["nonesuch"]);
    bundle.make("run", &[]).fails(1, "nonesuch");
    bundle.verb("state").fails(1, "does not exist");
    assert!(bundle.cgroups().is_empty());
}

#[test]
fn an_id_twice() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("create", &[]).succeeds();
    bundle.make("create", &[]).fails(1, "exists");
    bundle.make("run", &[]).fails(1, "exists");
    assert_eq!(bundle.status(), "created");
}

#[test]
fn ids_that_are_no_file_names() {
    let bundle = Bundle::new(&["true"]);
    for id in ["", ".", "..", "a/b", "../x", "a b", "a:b"] {
        let path = bundle.path().to_str().expect("UTF-8");
        bundle.call(&["create", "--bundle", path, id]).fails(1, "container ID");
    }
    assert!(!bundle.root().join("a").exists());
}

#[test]
fn a_container_in_the_wrong_state() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.verb("start").fails(1, "does not exist");
    bundle.verb("delete").exits(1);
    bundle.call(&["kill", &bundle.id, "TERM"]).fails(1, "does not exist");
    bundle.call(&["delete", "--force", &bundle.id]).succeeds();

    bundle.make("run", &["--detach"]).succeeds();
    bundle.verb("start").exits(1);
    bundle.verb("delete").fails(1, "not stopped");
    assert_eq!(bundle.status(), "running");

    bundle.kill_and_wait();
    bundle.verb("start").exits(1);
    bundle.call(&["kill", &bundle.id, "TERM"]).fails(1, "container not running");
    bundle.call(&["kill", "--all", &bundle.id, "TERM"]).succeeds();
    bundle.verb("pause").exits(1);
}

#[test]
fn words_that_mean_nothing() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    bundle.call(&["kill", &bundle.id, "FOO"]).fails(1, "unknown signal");
    // crun's 64.
    if !is_crun() {
        bundle.call(&["state", "--nonesuch", &bundle.id]).fails(1, "-nonesuch");
    }
    bundle.call(&["list", "--format", "yaml"]).exits(1);
    if !is_ours() {
        return;
    }
    bundle.call(&["nonesuch"]).fails(3, "nonesuch");
    bundle.call(&["start"]).fails(1, "requires exactly 1");
    bundle.call(&["start", "a", "b"]).fails(1, "requires exactly 1");
    bundle.call(&["ps", &bundle.id, "nonesuch"]).fails(1, "nonesuch");
    bundle.call(&["--cgroup-manager", "nonesuch", "list"]).fails(1, "nonesuch");
    assert_eq!(bundle.status(), "running");
}

#[test]
fn terminal_and_console_socket_go_together() {
    let bundle = Bundle::new(&["true"]);
    // crun passes over a socket that it does not need.
    if !is_crun() {
        bundle.make("create", &["--console-socket", "/nonesuch"]).fails(1, "--console-socket needs");
    }
    bundle.configure(|config| config["process"]["terminal"] = true.into());
    bundle.make("create", &[]).fails(1, "without --console-socket");
    bundle.make("run", &["--detach"]).fails(1, "without --console-socket");
    bundle.make("create", &["--console-socket", "/nonesuch"]).fails(1, "/nonesuch");
    bundle.verb("state").fails(1, "does not exist");
    assert!(bundle.cgroups().is_empty());
}

/// podman, docker and containerd find an error in the log that they named.
#[test]
fn the_log_has_the_error() {
    let bundle = Bundle::new(&["true"]);
    let log = bundle.path().join("log");
    let path = log.to_str().expect("UTF-8");
    bundle.call(&["--log", path, "--log-format", "json", "state", "nope"]).fails(1, "does not exist");
    let line: Value =
        serde_json::from_str(fs::read_to_string(&log).expect("the log").trim()).expect("one JSON line");
    assert_eq!(line["level"], "error");
    assert!(line["time"].as_str().is_some_and(|time| time.contains('T')), "{line}");
    if is_ours() {
        assert_eq!(line["msg"], "container \"nope\" does not exist");
    }

    fs::remove_file(&log).expect("the log");
    bundle.call(&["--log", path, "--log-format=text", "state", "nope"]).exits(1);
    let line = fs::read_to_string(&log).expect("the log");
    if is_ours() {
        assert!(line.contains(" level=error msg=\"container \\\"nope\\\" does not exist\"\n"), "{line}");
    }
}
