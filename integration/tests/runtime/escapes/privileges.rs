//! Privileges that a process has by mistake, and configurations that are read as something else.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use ketch_integration::Bundle;
use serde_json::{Value, json};

use super::sentinel;
use crate::{is_ours, shell, start};

const CAPABILITIES: &str = "grep -h '^Cap[IA]' /proc/self/status | cut -f2 | sort -u";
const NONE: &str = "0000000000000000";

/// CVE-2022-29162 (and CVE-2022-27650, CVE-2022-24769): capabilities that a process inherits let a file with inheritable ones raise
/// its own. Nobody has any who did not ask.
#[test]
fn nothing_is_inheritable() {
    shell(CAPABILITIES).run().ok().assert_stdout(NONE);

    let bundle = Bundle::busybox().args(["sleep", "1000"]);
    start(&bundle);
    for flags in [&[][..], &["--cap", "CAP_NET_RAW"], &["--cap", "CAP_SYS_ADMIN", "--user", "1000:1000"]] {
        let command = [&["exec"], flags, &[&bundle.id, "sh", "-c", CAPABILITIES]].concat();
        bundle.runtime(command).ok().assert_stdout(NONE);
    }
}

/// CVE-2026-30892: `exec --user 1` made user 0.
#[test]
fn a_user_by_number_is_that_user() {
    let bundle = Bundle::busybox().args(["sleep", "1000"]).edit(|config| {
        config["process"]["user"] = json!({"uid": 0, "gid": 5});
    });
    start(&bundle);
    for (user, ids) in
        [("1", "1"), ("12", "12"), ("65534", "65534"), ("1:1", "1"), ("1000:7", "1000"), ("0", "0")]
    {
        bundle.runtime(["exec", "--user", user, &bundle.id, "id", "-u"]).ok().assert_stdout(ids);
    }
    for (user, id) in [("1:1", "1"), ("1000:7", "7"), ("0:9", "9")] {
        bundle.runtime(["exec", "--user", user, &bundle.id, "id", "-g"]).ok().assert_stdout(id);
    }
    if is_ours() {
        for nonsense in ["", ":", "1:", ":1", "1x", "-1", "4294967296", "1:2:3", " 1"] {
            let out = bundle.runtime(["exec", "--user", nonsense, &bundle.id, "id"]);
            assert_ne!(out.code, 0, "{nonsense:?}: {out:?}");
        }
    }
}

/// Every release agent of the host's cgroup v1 hierarchies.
fn release_agents() -> Vec<(PathBuf, String)> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let agents = hierarchies.map(|entry| entry.path().join("release_agent"));
    agents.filter_map(|agent| Some((agent.clone(), fs::read_to_string(&agent).ok()?))).collect()
}

/// CVE-2022-0492: a cgroup v1 hierarchy's release agent, which the kernel runs on the host, can be written to where the
/// hierarchy's root can be mounted or seen.
#[test]
fn no_release_agent_in_reach() {
    let script = r#"
        find / -xdev -name release_agent; find /sys/fs/cgroup -name release_agent
        find /sys/fs/cgroup -type f -name cgroup.procs | while read f; do ( : >> $f ) 2> /dev/null && echo $f can be written; done
        mkdir /tmp/c
        for how in "" "unshare -m" "unshare -Urm" "unshare -UrmC"; do
            for hierarchy in memory rdma devices pids none,name=x; do
                $how sh -c "mount -t cgroup -o $hierarchy cgroup /tmp/c && ( : >> /tmp/c/release_agent ) && echo $how: release_agent of $hierarchy"
            done
        done 2> /dev/null; true"#;
    let before = release_agents();
    for cgroup_namespace in [true, false] {
        let bundle = shell(script).edit(|config| {
            if !cgroup_namespace {
                without_namespace(config, "cgroup");
            }
        });
        let out = bundle.run().ok();
        assert_eq!(out.text(), "", "cgroup namespace {cgroup_namespace}: {out:?}");
        assert_eq!(release_agents(), before);
    }
}

fn without_namespace(config: &mut Value, name: &str) {
    let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
    namespaces.retain(|namespace| namespace["type"] != name);
}

/// CVE-2023-25809: in a user namespace and without a cgroup namespace, `/sys/fs/cgroup` was the host's, and writable.
#[test]
fn cgroups_of_the_host_are_not_writable() {
    let script = r#"
        find /sys/fs/cgroup -mindepth 1 -type d | while read d; do mkdir $d/ketch-escape 2> /dev/null && echo made $d/ketch-escape; done
        find /sys/fs/cgroup -type f | while read f; do ( : >> $f ) 2> /dev/null && echo $f can be written; done
        grep ' /sys/fs/cgroup.* - cgroup' /proc/self/mountinfo | grep -v ' ro,'; true"#;
    for host in [0, 100_000] {
        let bundle = shell(script).edit(|config| {
            without_namespace(config, "cgroup");
            let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
            namespaces.push(json!({"type": "user"}));
            let map = json!([{"containerID": 0, "hostID": host, "size": 1000}]);
            config["linux"]["uidMappings"] = map.clone();
            config["linux"]["gidMappings"] = map;
        });
        let out = bundle.run();
        assert_eq!(out.text(), "", "user 0 is {host}: {out:?}");
        if is_ours() {
            out.ok();
        }
    }
}

/// CVE-2021-43784: a field so long that its length, cut to 16 bits, let the rest of it be read as other settings: here namespaces
/// that are none of the container's own.
#[test]
fn long_fields_are_not_read_as_others() {
    let host = |kind: &str| fs::read_link(Path::new("/proc/self/ns").join(kind)).expect("a namespace");
    let script = "for n in ipc mnt net pid uts user; do readlink /proc/self/ns/$n; done";
    for size in [4 << 10, 64 << 10, (64 << 10) + 4, 128 << 10, 1 << 20] {
        let bundle = shell(script).edit(|config| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
            namespaces.push(json!({"type": "user"}));
            let mut path = String::from("/proc/self/ns/");
            while path.len() < size {
                path.push_str("../ns/");
            }
            path.push_str("uts");
            namespaces.iter_mut().filter(|ns| ns["type"] == "uts").for_each(|ns| ns["path"] = json!(path));
            config.as_object_mut().expect("an object").remove("hostname");
            config["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
            config["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
        });
        // PATH_MAX: it is no path at all.
        assert_ne!(bundle.run().code, 0, "a path of {size} bytes");
    }
    for count in [1, 340, 341, 4000, 20_000] {
        let bundle = shell(script).edit(|config| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
            namespaces.push(json!({"type": "user"}));
            // Small numbers: the kernel takes no more than a page.
            let map: Value =
                (0..count).map(|i| json!({"containerID": i, "hostID": 1000 + 2 * i, "size": 1})).collect();
            config["linux"]["uidMappings"] = map;
            config["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
        });
        let out = bundle.run();
        // user_namespaces(7): 340 lines are the most.
        if is_ours() {
            assert_eq!(out.code == 0, count <= 340, "{count} lines: {out:?}");
        }
        for kind in ["ipc", "mnt", "net", "pid", "uts", "user"] {
            let host = host(kind);
            assert!(!out.stdout.lines().any(|line| Path::new(line) == host), "{count} lines: {out:?}");
        }
    }
    let mut long = String::new();
    for i in 0..20_000 {
        write!(long, "{i} ").expect("a string takes text");
    }
    // The kernel's limit for one string is 128 KiB; this is below.
    let bundle = shell("echo $((${#LONG}))")
        .edit(|config| config["process"]["env"] = json!(["PATH=/bin", format!("LONG={long}")]));
    bundle.run().ok().assert_stdout(&long.len().to_string());
}

/// What is tested for above is noticed: a change that is undone, too.
#[test]
fn the_sentinel_notices() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("file"), "text").expect("a file");
    let before = sentinel::hash(dir.path());
    assert_eq!(sentinel::hash(dir.path()), before);
    fs::create_dir(dir.path().join("made")).expect("a directory");
    fs::remove_dir(dir.path().join("made")).expect("it is there");
    assert_ne!(sentinel::hash(dir.path()), before);
}
