//! A container without a mount namespace: its mounts are the host's, which here is one of its own.

use std::path::Path;

use ketch_integration::{Bundle, Output};
use serde_json::{Value, json};

use crate::{is_ours, run_on_host, shell};

/// `script` in a container whose mounts are the host's. runc refuses to hide anything there.
fn on_host(script: &str) -> Bundle {
    shell(script).edit(|config| {
        let linux = config["linux"].as_object_mut().expect("an object");
        linux["namespaces"].as_array_mut().expect("a list").retain(|namespace| namespace["type"] != "mount");
        linux.remove("maskedPaths");
        linux.remove("readonlyPaths");
    })
}

/// `script` on the host, with `$host` as its mounts and `$rt` as the runtime's command; afterwards the mounts are what they
/// were before, to the propagation of each.
fn leaves_no_trace(bundle: &Bundle, propagation: &str, script: &str) -> Output {
    let before = bundle.path().join("before");
    let before = before.display();
    let id = &bundle.id;
    let frame = format!(
        "mkdir -p {data}/inner; mount -t tmpfs tmpfs {data}/inner; touch {data}/inner/file
        rt=\"$1 $2 $3\"; id={id}; cat /proc/self/mountinfo > {before}
        {script}
        diff {before} /proc/self/mountinfo",
        data = bundle.path().join("data").display()
    );
    run_on_host(bundle, propagation, &frame)
}

/// The root, the mounts and `/dev` are the container's own, and the namespace is not.
#[test]
fn a_root_among_the_hosts_mounts() {
    let bundle = on_host("readlink /proc/self/ns/mnt; echo /*; echo $$; echo x > /dev/null");
    let out = run_on_host(&bundle, "private", "readlink /proc/self/ns/mnt; \"$@\"").ok();
    let lines: Vec<&str> = out.text().lines().collect();
    let [hosts, own, root, pid] = lines[..] else { panic!("{out:?}") };
    assert_eq!((hosts, root, pid), (own, "/bin /dev /etc /proc /sys /tmp", "1"), "{out:?}");
}

/// runc and crun leave it all mounted; runc makes slaves of all the host's mounts besides.
#[test]
fn nothing_stays_mounted() {
    if !is_ours() {
        return;
    }
    let script = "cat /data/inner/file && touch /data/inner/mine && ls /mnt";
    for host in ["shared", "private"] {
        for root in ["shared", "slave", "private", "unbindable", ""] {
            let bundle = on_host(script);
            let data = bundle.path().join("data");
            let bundle = bundle.edit(|config| {
                config["linux"]["rootfsPropagation"] = json!(root);
                let mounts = config["mounts"].as_array_mut().expect("a list");
                for (source, destination, options) in [
                    (data.as_path(), "/data", json!(["rbind"])),
                    (data.as_path(), "/again", json!(["rbind", "rshared"])),
                    (Path::new("tmpfs"), "/mnt", json!(["nosuid"])),
                ] {
                    let kind = if destination == "/mnt" { "tmpfs" } else { "bind" };
                    mounts.push(json!({"destination": destination, "type": kind, "source": source, "options": options}));
                }
            });
            leaves_no_trace(&bundle, host, "\"$@\"").ok().assert_stdout("");
        }
    }
}

/// crun applies masks and not the read-only root; runc refuses the one and forgets the other.
#[test]
fn what_is_to_be_hidden_is() {
    let bundle =
        on_host("cat /bin/secret; touch /x; touch /etc/x; touch /tmp/x && echo written").edit(|config| {
            config["root"]["readonly"] = json!(true);
            config["linux"]["maskedPaths"] = json!(["/bin/secret"]);
            config["linux"]["readonlyPaths"] = json!(["/etc"]);
            let mounts = config["mounts"].as_array_mut().expect("a list");
            mounts.push(json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}));
        });
    std::fs::write(bundle.rootfs().join("bin/secret"), "secret").expect("the root is writable");
    if is_ours() {
        let out = leaves_no_trace(&bundle, "shared", "\"$@\"").ok().assert_stdout("written");
        assert_eq!(out.stderr.matches("Read-only file system").count(), 2, "{out:?}");
    }
}

/// Their `exec` lands in the host's own root.
#[test]
fn exec_lands_in_the_containers_root() {
    if !is_ours() {
        return;
    }
    let bundle = on_host("").args(["sleep", "1000"]);
    let script = format!(
        "$rt create --bundle {} $id > /dev/null 2>&1; $rt start $id
        $rt exec $id sh -c 'echo /*; pwd; readlink /proc/1/cwd; cat /proc/1/comm'
        $rt delete --force $id",
        bundle.path().display()
    );
    let shown = "/bin /dev /etc /proc /sys /tmp\n/\n/\nsleep";
    leaves_no_trace(&bundle, "shared", &script).ok().assert_stdout(shown);
}

/// A `create` that fails leaves nothing, and one that is killed nothing that `delete --force` does not take away, be it before
/// or after the state was written.
#[test]
fn a_create_that_ends_early() {
    if !is_ours() {
        return;
    }
    let failing = on_host("true").edit(|config| {
        let mounts = config["mounts"].as_array_mut().expect("a list");
        mounts.push(json!({"destination": "/mnt", "type": "nonesuch", "source": "none"}));
    });
    leaves_no_trace(&failing, "shared", "! \"$@\" 2> /dev/null").ok();

    for state in ["kept", "lost"] {
        let killed = on_host("true").edit(|config| {
            let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $PPID"]});
            config["hooks"] = json!({"createRuntime": [hook]});
        });
        let directory = killed.path().join("state").join(&killed.id);
        let script = format!(
            "! \"$@\" 2> /dev/null; grep -q {root} /proc/self/mountinfo
            [ {state} = kept ] || rm {directory}/state.json
            $rt delete --force $id",
            root = killed.rootfs().display(),
            directory = directory.display()
        );
        leaves_no_trace(&killed, "shared", &script).ok();
    }
}

/// What a user mounts in its place meanwhile is not taken for it.
#[test]
fn a_mount_of_somebody_elses_stays() {
    if !is_ours() {
        return;
    }
    let bundle = on_host("").args(["sleep", "1000"]);
    let root = bundle.rootfs();
    let script = format!(
        "$rt create --bundle {} $id > /dev/null 2>&1; umount -l {root}; mount -t tmpfs mine {root}
        $rt delete --force $id; grep -c ' - tmpfs mine ' /proc/self/mountinfo; umount {root}",
        bundle.path().display(),
        root = root.display()
    );
    leaves_no_trace(&bundle, "private", &script).ok().assert_stdout("1");
}

#[test]
fn refused_with_a_user_namespace() {
    let bundle = on_host("true").edit(|config| {
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
        config["hostname"] = Value::Null;
    });
    let out = run_on_host(&bundle, "private", "! \"$@\"").ok();
    if is_ours() {
        out.assert_stderr_has("has a user namespace and no mount namespace");
    }
}
