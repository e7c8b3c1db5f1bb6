//! Mount propagation: what the host and the container see of each other's mounts.

use std::path::Path;

use serde_json::json;

use crate::{is_ours, run_on_host, shell};

/// On a host where everything is shared, as systemd makes it, no container changes what is mounted there.
#[test]
fn the_hosts_mounts_stay_as_they_are() {
    for propagation in
        ["", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"]
    {
        let dir = tempfile::tempdir().expect("a directory");
        let bundle = shell("true").bind(dir.path(), "/data", "rbind").edit(|config| {
            if !propagation.is_empty() {
                config["linux"]["rootfsPropagation"] = json!(propagation);
            }
        });
        let script = "before=$(cat /proc/self/mountinfo); \"$@\"; after=$(cat /proc/self/mountinfo)
            [ \"$before\" = \"$after\" ] || { echo \"$before\"; echo; echo \"$after\"; exit 9; }";
        run_on_host(&bundle, "shared", script).ok();
    }
}

#[test]
fn the_roots_propagation() {
    let script = "awk '$5 == \"/\" { for (i = 7; $i != \"-\"; i++) { sub(\":.*\", \"\", $i); print $i } }' /proc/self/mountinfo";
    for (propagation, shown) in
        [("private", ""), ("slave", "master"), ("shared", "shared"), ("unbindable", "unbindable")]
    {
        let bundle = shell(script).edit(|config| config["linux"]["rootfsPropagation"] = json!(propagation));
        let out = run_on_host(&bundle, "shared", "exec \"$@\"").ok();
        let tags: Vec<&str> = out.text().lines().collect();
        let fits = match propagation {
            // A slave whose master is out of sight, or private: nothing goes back to the host.
            "slave" => !tags.contains(&"shared"),
            _ => shown.is_empty() == tags.is_empty() && (shown.is_empty() || tags.contains(&shown)),
        };
        assert!(fits, "{propagation}: {tags:?}");
    }
}

#[test]
fn a_bind_has_its_own() {
    let script = "awk '$5 == \"/data\" { print $7 }' /proc/self/mountinfo | sed 's/:.*//'";
    let dir = tempfile::tempdir().expect("a directory");
    for (option, shown) in [
        ("rprivate", "-"),
        ("private", "-"),
        ("rshared", "shared"),
        ("shared", "shared"),
        ("rslave", "master"),
    ] {
        let bundle = shell(script).bind(dir.path(), "/data", option);
        run_on_host(&bundle, "shared", &format!("mount --bind {0} {0}; exec \"$@\"", dir.path().display()))
            .ok()
            .assert_stdout(shown);
    }
}

/// As in runc: that all is private is where it begins, not the last word.
#[test]
fn a_bind_has_its_own_in_a_private_root() {
    let script = "awk '$5 == \"/data\" { print $7 }' /proc/self/mountinfo | sed 's/:.*//'";
    let dir = tempfile::tempdir().expect("a directory");
    for (root, user) in [("private", false), ("rprivate", false), ("rprivate", true)] {
        for (option, shown) in [("", "-"), ("rprivate", "-"), ("rshared", "shared")] {
            let bundle = shell(script).bind(dir.path(), "/data", option).edit(|config| {
                config["linux"]["rootfsPropagation"] = json!(root);
                if user {
                    let map = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
                    config["linux"]["namespaces"]
                        .as_array_mut()
                        .expect("a list")
                        .push(json!({"type": "user"}));
                    config["linux"]["uidMappings"] = map.clone();
                    config["linux"]["gidMappings"] = map;
                }
            });
            let host = format!("mount --bind {0} {0}; exec \"$@\"", dir.path().display());
            let out = run_on_host(&bundle, "shared", &host);
            if is_ours() {
                out.ok().assert_stdout(shown);
            }
        }
    }
}

/// What the host mounts later below a slave bind is seen inside.
#[test]
fn a_slave_sees_what_comes_later() {
    for (option, seen) in [("rslave", "seen"), ("rprivate", "unseen")] {
        let dir = tempfile::tempdir().expect("a directory");
        let bundle = shell(
            "echo > /data/ready; cat /data/go; [ -e /data/sub/x ] && echo seen || echo unseen",
        )
        .bind(dir.path(), "/data", option);
        let out = run_on_host(&bundle, "shared", &later(dir.path()));
        out.ok().assert_stdout(seen);
    }
}

fn later(dir: &Path) -> String {
    format!(
        "cd {}; mkdir sub; mkfifo ready go; mount --bind . .; cd .; cd \"$PWD\"; \"$@\" & cat ready
         mount -t tmpfs none sub; touch sub/x; echo > go; wait $!",
        dir.display()
    )
}
