//! `ketch sandbox` without root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use ketch_integration::Engine;
use serde_json::{Value, json};

/// Overlayfs takes no `/` of a user namespace for a lower directory: there is one overlay for each part of it.
#[test]
fn the_hosts_root() {
    let engine = Engine::of_user();
    let home = engine.directory("home");
    fs::write(home.join("mine"), "before\n").unwrap();
    let owner = fs::metadata(&home).unwrap();
    chown(home.join("mine"), Some(owner.uid()), Some(owner.gid())).unwrap();
    let script = "pwd; id -u; ls /usr > /dev/null; cat home/mine; echo after > home/mine; echo new > home/new; \
                  echo new > /tmp/new; cat home/mine; exit 3";
    let out = engine.run(["sandbox", "--summary-files", "--", "sh", "-c", script]).assert_exit(3);
    assert_eq!(out.stdout, format!("{}\n0\nbefore\nafter\n", engine.dir().display()));
    let home_text = home.display();
    for line in [
        "sandbox: exit code 3, ",
        "A /tmp/new",
        &format!("A {home_text}/new"),
        &format!("C {home_text}/mine"),
    ] {
        assert!(out.stderr.lines().any(|text| text.starts_with(line)), "no {line:?} in {out:#?}");
    }
    assert_eq!(fs::read_to_string(home.join("mine")).unwrap(), "before\n");
    assert!(!home.join("new").exists());
}

#[test]
fn an_image_and_its_time() {
    let engine = Engine::of_user().load_busybox();
    let summary = |code, line: &str| -> Value {
        let out = engine.line(&format!("sandbox --summary json --image busybox {line}")).assert_exit(code);
        serde_json::from_str(&out.stderr).unwrap_or_else(|error| panic!("{error}: {out:#?}"))
    };
    let used = summary(0, "sh -c true>/new");
    assert_eq!(used["files"], json!({ "added": 1, "changed": 0, "deleted": 0 }));
    assert!(used["memory"]["peakBytes"].as_u64().unwrap() > 0, "{used:#}");
    assert_eq!(summary(124, "--timeout 1 sleep 1000")["timedOut"], true);
}

#[test]
fn what_the_host_can_do_for_a_user() {
    let explain = |engine: &Engine| engine.line("info --explain --format json").ok().json();
    let of = |list: &Value, name: &str| {
        let found = list.as_array().unwrap().iter().find(|it| it["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {list:#}"))
    };
    let list = explain(&Engine::of_user());
    for name in ["user namespaces", "overlay without root", "subordinate uids", "newuidmap", "nf_tables"] {
        assert_eq!(of(&list, name)["available"], true, "{list:#}");
    }
    assert_eq!(of(&list, "bridge")["available"], false);
    let alone = of(&explain(&Engine::of_user_without_ranges()), "subordinate uids");
    assert_eq!(alone["available"], false, "{alone:#}");
    assert!(alone["cure"].as_str().unwrap().starts_with("usermod --add-subuids"), "{alone:#}");
}
