//! What works with nothing but the machine: the built-in image, and the host's own root.

use ketch_integration::Engine;

#[test]
fn hello_prints_its_sandbox() {
    let engine = Engine::new();
    let out = engine.line("run --rm --hostname harbour hello").ok();
    for part in ["harbour", "pid", "seccomp", "cgroup", "cap_chown"] {
        assert!(out.stdout.to_lowercase().contains(part), "hello does not tell of {part}\n{}", out.stdout);
    }
}

/// The host's root below a throw-away upper: everything can be changed, nothing is.
#[test]
fn host_root_below_a_throw_away_upper() {
    let engine = Engine::new();
    let mark = format!("/ketch-mark-{}", std::process::id());
    let script = format!("touch {mark} && ls {mark} && cat /etc/debian_version");
    let out = engine.run(["run", "--rm", "--rootfs", "/:O", "sh", "-c", &script]).ok();
    assert!(out.stdout.contains(&mark));
    assert!(!std::path::Path::new(&mark).exists(), "the host's root was written to");
}
