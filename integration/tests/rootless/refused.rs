//! What cannot be had without root is refused, with the reason, on one line.

use std::path::Path;

use ketch_integration::Engine;

#[test]
fn what_takes_root() {
    let engine = Engine::of_user().load_busybox();
    for (flags, reason) in [
        ("--network bridge", "needs root"),
        ("--network none --device /no/such/device", "/no/such/device"),
        ("--network none --ulimit nofile=1:1000000000", "the limit here is"),
    ] {
        let out = engine.line(&format!("run --rm {flags} busybox true"));
        assert!(matches!(out.code, 125 | 126), "{out:#?}");
        out.assert_stderr_has(reason).assert_one_error_line();
    }
}

/// On cgroup v1 nothing is delegated. Without limits the container does without a cgroup.
#[test]
fn limits_without_cgroups() {
    let engine = Engine::of_user().load_busybox();
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        // There it depends on who has started the tests.
        return;
    }
    for flag in ["--memory 64m", "--cpus 1", "--pids-limit 10", "--cpuset-cpus 0", "--cgroup-parent /x"] {
        let out = engine.line(&format!("run --rm --network none {flag} busybox true")).assert_exit(125);
        out.assert_stderr_has(&format!("cannot set {}", flag.split(' ').next().unwrap()))
            .assert_one_error_line();
    }
    engine.line("run -d --network none --name c busybox sleep 1000").ok();
    let state = engine.line("inspect c").ok().json()[0]["State"].clone();
    assert!(state["CgroupPath"].as_str().unwrap_or_default().is_empty(), "{state}");
}
