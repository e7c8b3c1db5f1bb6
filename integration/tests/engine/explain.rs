//! `info --explain`: what is tried is so.

use std::path::Path;
use std::process::Command;

use ketch_integration::{Engine, program};
use serde_json::Value;

fn explained(engine: &Engine, command: &mut Command) -> Value {
    let out = program::finish(command.args(["info", "--explain", "--format", "json"])).ok();
    assert!(engine.ids().is_empty());
    out.json()
}

#[track_caller]
fn find<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

#[test]
fn what_the_host_can() {
    let engine = Engine::new();
    let list = explained(&engine, &mut engine.command());
    // The other tests here need all of these.
    for name in
        ["pidfd", "clone3", "openat2", "mount API", "overlay", "seccomp", "bridge", "nf_tables", "limits"]
    {
        assert_eq!(find(&list, name)["available"], true, "{list:#}");
    }
    let version =
        if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "version 2" } else { "version 1" };
    assert!(find(&list, "cgroups")["reason"].as_str().unwrap().starts_with(version), "{list:#}");
    let apparmor =
        std::fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|it| it.trim() == "Y");
    assert_eq!(find(&list, "AppArmor")["available"], apparmor);
    for line in engine.line("info --explain").ok().stdout.lines().skip(1) {
        assert!(line.contains("  yes  ") || line.contains("  no  "), "{line}");
    }
    engine
        .line("info --explain --format {{.Host}}")
        .assert_exit(125)
        .assert_stderr_has("choose from table, json");
}

#[test]
fn what_it_cannot_and_what_helps() {
    let engine = Engine::new();
    // Of its command line without the program that takes it into its network, which is found by PATH too.
    let ketch = engine.command();
    let own: Vec<_> = ketch.get_args().skip_while(|word| *word != "--root").collect();
    let list = explained(&engine, Command::new(program::engine()).args(&own).env("PATH", "/nowhere"));
    for (name, cure) in [("newuidmap", "uidmap"), ("pasta", "passt")] {
        let found = find(&list, name);
        assert_eq!(found["available"], false, "{found:#}");
        assert!(found["cure"].as_str().unwrap().contains(cure), "{found:#}");
    }
    // The limit is the user namespace's own.
    let script = r#"echo 0 > /proc/sys/user/max_user_namespaces; exec "$@""#;
    let mut within = Command::new("unshare");
    within.args(["--user", "--map-root-user", "sh", "-c", script, "sh"]).arg(program::engine()).args(&own);
    let list = explained(&engine, &mut within);
    let found = find(&list, "user namespaces");
    assert_eq!(found["available"], false, "{found:#}");
    assert_eq!(found["cure"], "sysctl user.max_user_namespaces=10000");
}
