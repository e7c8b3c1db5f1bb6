//! Namespaces: new ones, the host's, and another container's by path.

use std::fs;
use std::path::PathBuf;

use ketch_integration::Bundle;
use serde_json::{Value, json};

use crate::{is_ours, shell, start};

/// The configuration's name and the kernel's.
const NAMES: [(&str, &str); 6] = [
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("pid", "pid"),
    ("cgroup", "cgroup"),
    ("mount", "mnt"),
];

fn replace(config: &mut Value, name: &str, with: Option<Value>) {
    let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
    namespaces.retain(|namespace| namespace["type"] != name);
    namespaces.extend(with);
}

fn ours(kind: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace").display().to_string()
}

#[test]
fn new_ones() {
    for (name, kind) in NAMES {
        let bundle = shell(&format!("readlink /proc/self/ns/{kind}")).edit(|config| {
            replace(config, name, Some(json!({"type": name})));
        });
        let out = bundle.run().ok();
        assert!(out.text().starts_with(kind) && out.text() != ours(kind), "{name}: {out:?}");
    }
}

#[test]
fn the_hosts() {
    for (name, kind) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup")] {
        let bundle = shell(&format!("readlink /proc/self/ns/{kind}")).edit(|config| {
            replace(config, name, None);
            config["hostname"] = Value::Null;
            // sysfs shows a network namespace, and is for its owner to mount.
            config["mounts"].as_array_mut().expect("a list").retain(|mount| mount["type"] != "sysfs");
        });
        bundle.run().ok().assert_stdout(&ours(kind));
    }
}

/// A network of its own has a loopback interface that is up.
#[test]
fn loopback_is_up() {
    shell("ip addr show lo | grep -o 'inet 127.0.0.1'; ls /sys/class/net")
        .run()
        .ok()
        .assert_stdout("inet 127.0.0.1\nlo");
}

#[test]
fn anothers_by_path() {
    let first = Bundle::busybox().args(["sleep", "1000"]).edit(|config| config["hostname"] = json!("first"));
    start(&first);
    let pid = first.state()["pid"].to_string();
    for (name, kind) in
        [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid"), ("cgroup", "cgroup")]
    {
        let path = PathBuf::from(format!("/proc/{pid}/ns/{kind}"));
        let bundle = shell(&format!("readlink /proc/self/ns/{kind}; hostname")).edit(|config| {
            replace(config, name, Some(json!({"type": name, "path": path})));
            config["hostname"] = if name == "uts" { Value::Null } else { json!("second") };
        });
        let theirs = fs::read_link(&path).expect("a namespace").display().to_string();
        let host = if name == "uts" { "first" } else { "second" };
        bundle.run().ok().assert_stdout(&format!("{theirs}\n{host}"));
    }
}

/// As the containers of a pod: the second is in the first one's network, ipc, uts and pid namespaces at once.
#[test]
fn a_pod() {
    let first = Bundle::busybox().args(["sleep", "1234"]);
    start(&first);
    let pid = first.state()["pid"].to_string();
    let bundle = shell("cat /proc/1/cmdline | tr '\\0' ' '; [ $$ != 1 ] && echo second").edit(|config| {
        for (name, kind) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid")] {
            replace(config, name, Some(json!({"type": name, "path": format!("/proc/{pid}/ns/{kind}")})));
        }
        config["hostname"] = Value::Null;
    });
    bundle.run().ok().assert_stdout("sleep 1234 second");
}

/// A pod with a user namespace: it owns the others, and the second container joins all of them.
#[test]
fn a_pod_with_a_user_namespace() {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let mapped = |bundle: Bundle| {
        fs::set_permissions(bundle.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("chmod");
        bundle.edit(|config| {
            replace(config, "user", Some(json!({"type": "user"})));
            config["linux"]["uidMappings"] = map.clone();
            config["linux"]["gidMappings"] = map.clone();
        })
    };
    let first = mapped(Bundle::busybox().args(["sleep", "1000"]));
    start(&first);
    let pid = first.state()["pid"].to_string();
    let kinds = [("user", "user"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid")];
    let bundle = mapped(shell(
        "for n in user net ipc uts pid; do readlink /proc/self/ns/$n; done; id -u; echo x > /dev/null",
    ))
    .edit(|config| {
        for (name, kind) in kinds {
            replace(config, name, Some(json!({"type": name, "path": format!("/proc/{pid}/ns/{kind}")})));
        }
        config["hostname"] = Value::Null;
    });
    let theirs =
        |kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace").display().to_string();
    let mut expected: Vec<String> = kinds.iter().map(|(_, kind)| theirs(kind)).collect();
    expected.push("0".to_owned());
    bundle.run().ok().assert_stdout(&expected.join("\n"));
}

#[test]
fn a_path_that_is_none() {
    for (path, part) in [
        ("/nonesuch", "/nonesuch"),
        ("/proc/self/ns/uts", "/proc/self/ns/uts"),
        ("/etc/passwd", "/etc/passwd"),
    ] {
        let bundle = shell("true")
            .edit(|config| replace(config, "network", Some(json!({"type": "network", "path": path}))));
        let out = bundle.run().assert_exit(1);
        if is_ours() {
            out.assert_one_error_line().assert_stderr_has(part).assert_stderr_has("network namespace");
        }
    }
}
