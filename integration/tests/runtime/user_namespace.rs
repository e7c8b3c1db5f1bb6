//! Containers with a user namespace.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use ketch_integration::Bundle;
use serde_json::json;

use crate::{is_ours, shell, start};

/// Its ids 0 to 65535 are the host's from 100000 on.
fn mapped(bundle: Bundle) -> Bundle {
    let root = bundle.rootfs();
    fs::set_permissions(bundle.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    for name in ["", "tmp", "etc", "dev", "proc", "sys"] {
        chown(root.join(name), Some(100_000), Some(100_000)).expect("chown");
    }
    bundle.edit(|config| {
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
    })
}

#[test]
fn maps_and_owners() {
    let bundle = mapped(shell(
        "echo $(cat /proc/self/uid_map) $(cat /proc/self/gid_map); id -u; touch /tmp/mine; stat -c %u:%g /tmp/mine /proc/1 /bin/busybox
         for f in /dev/null /dev/zero; do [ -c $f ] && echo x > $f; done; ls /sys/fs/cgroup > /dev/null && echo cgroup",
    ));
    bundle.run().ok().assert_stdout("0 100000 65536 0 100000 65536\n0\n0:0\n0:0\n65534:65534\ncgroup");
    let mine = fs::metadata(bundle.rootfs().join("tmp/mine")).expect("the file");
    assert_eq!((mine.uid(), mine.gid()), (100_000, 100_000));
}

/// As in crun, the host's sysfs stands in for one that is not to be had in the host's network namespace; runc has none then.
#[test]
fn sysfs_in_the_hosts_network() {
    let script = "grep -c ' /sys sysfs ro,nosuid,nodev,noexec' /proc/mounts; ls /sys/class/net | grep -x lo; \
                  mkdir /sys/fs/cgroup/x 2>/dev/null; echo $?";
    let bundle = mapped(shell(script)).edit(|config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
        namespaces.retain(|entry| entry["type"] != "network");
        for mount in config["mounts"].as_array_mut().expect("a list") {
            if mount["type"] == "sysfs" {
                mount["options"] = json!(["nosuid", "noexec", "nodev", "ro"]);
            }
        }
    });
    let out = bundle.run();
    if is_ours() {
        out.ok().assert_stdout("1\nlo\n1");
    }
}

/// As in crun, the caller is root there, and nobody else is.
#[test]
fn without_maps() {
    let bundle = shell("echo $(cat /proc/self/uid_map) $(cat /proc/self/gid_map); id -u").edit(|config| {
        config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "user"}));
        // Group 5, which terminals get otherwise, is nobody there.
        for mount in config["mounts"].as_array_mut().expect("a list") {
            if let Some(options) = mount["options"].as_array_mut() {
                options.retain(|option| option != "gid=5");
            }
        }
    });
    let out = bundle.run();
    if is_ours() {
        out.ok().assert_stdout("0 0 1 0 0 1\n0");
    }
}

#[test]
fn another_user_in_it() {
    let bundle = mapped(shell("id -u; touch /tmp/mine; stat -c %u:%g /tmp/mine; echo out > /dev/stdout"))
        .edit(|config| {
            config["process"]["user"] = json!({"uid": 33, "gid": 34});
            config["mounts"].as_array_mut().expect("a list").push(json!({
                "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"],
            }));
        });
    bundle.run().ok().assert_stdout("33\n33:34\nout");
}

#[test]
fn exec_goes_into_it() {
    let bundle = mapped(Bundle::busybox().args(["sleep", "1000"]));
    start(&bundle);
    bundle
        .runtime(["exec", &bundle.id, "sh", "-c", "id -u; echo $(cat /proc/self/uid_map); [ $(readlink /proc/self/ns/user) = $(readlink /proc/1/ns/user) ] && echo same"])
        .ok()
        .assert_stdout("0\n0 100000 65536\nsame");
    bundle.runtime(["exec", "--user", "5:6", &bundle.id, "id", "-u"]).ok().assert_stdout("5");
}

/// Nothing of the host's is mounted, for the program and for what is executed later.
#[test]
fn the_host_is_out_of_sight() {
    let bundle = mapped(Bundle::busybox().args(["sleep", "1000"]));
    start(&bundle);
    let script = "awk '$5 == \"/\"' /proc/self/mountinfo | wc -l; ls -a / | grep -c usr; [ -d /proc/1 ] && tr '\\0' ' ' < /proc/1/cmdline";
    bundle.runtime(["exec", &bundle.id, "sh", "-c", script]).ok().assert_stdout("1\n0\nsleep 1000");
    mapped(shell("awk '$5 == \"/\"' /proc/self/mountinfo | wc -l; ls -a / | grep -c usr; true"))
        .run()
        .ok()
        .assert_stdout("1\n0");
}

/// The offsets are set by init, which is no longer the user that its files in procfs belong to.
#[test]
fn with_a_time_namespace() {
    let bundle = mapped(shell("cut -d. -f1 /proc/uptime")).edit(|config| {
        config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "time"}));
        config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1_000_000_000}});
    });
    let out = bundle.run().ok();
    assert!(out.text().parse::<u64>().is_ok_and(|seconds| seconds >= 1_000_000_000), "{out:?}");
}

/// A bind's source is opened with the caller's rights: the namespace has none above it.
#[test]
fn a_bind_of_what_only_the_host_may_see() {
    let private = tempfile::tempdir().expect("a directory");
    fs::create_dir(private.path().join("data")).expect("a directory");
    fs::write(private.path().join("data/file"), "text").expect("a file");
    mapped(shell("cat /data/file"))
        .bind(&private.path().join("data"), "/data", "rbind,ro")
        .run()
        .ok()
        .assert_stdout("text");
}

#[test]
fn hooks_and_limits_work_in_it() {
    let bundle = mapped(shell("ulimit -n; cat /proc/self/oom_score_adj")).edit(|config| {
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]);
        config["process"]["oomScoreAdj"] = json!(100);
        config["hooks"]["createRuntime"] = json!([{"path": "/bin/true"}]);
    });
    bundle.run().ok().assert_stdout("77\n100");
}
