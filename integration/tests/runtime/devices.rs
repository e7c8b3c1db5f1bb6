//! `/dev` and the device cgroup.

use ketch_integration::Bundle;
use serde_json::{Value, json};

use crate::{is_ours, shell};

/// runtime-spec, config-linux, "Default Devices".
#[test]
fn the_default_ones() {
    let names = ["null", "zero", "full", "random", "urandom", "tty"];
    let shown = "1:3 666\n1:5 666\n1:7 666\n1:8 666\n1:9 666\n5:0 666";
    shell(&format!("cd /dev; for n in {}; do echo $(stat -c '%t:%T %a' $n); done", names.join(" ")))
        .run()
        .ok()
        .assert_stdout(shown);
}

#[test]
fn links_that_programs_expect() {
    shell("cd /dev; for l in fd stdin stdout stderr ptmx; do readlink $l; done; echo out > /dev/stdout; echo err > /dev/stderr")
        .run()
        .ok()
        .assert_stdout("/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\nout")
        .assert_stderr_has("err");
}

fn with_devices(bundle: Bundle, devices: Value, rules: Value) -> Bundle {
    bundle.edit(|config| {
        config["linux"]["devices"] = devices;
        config["linux"]["resources"]["devices"] = rules;
    })
}

#[test]
fn devices_of_its_own() {
    let devices = json!([
        {"path": "/dev/own", "type": "c", "major": 240, "minor": 7, "fileMode": 0o640, "uid": 5, "gid": 6},
        {"path": "/dev/sub/disk", "type": "b", "major": 241, "minor": 300, "fileMode": 0o600},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o622},
        {"path": "/srv/null", "type": "c", "major": 1, "minor": 3},
    ]);
    let bundle = shell("stat -c '%F %t:%T %a %u:%g' /dev/own /dev/sub/disk /dev/pipe /srv/null");
    with_devices(bundle, devices, json!([])).run().ok().assert_stdout(
        "character special file f0:7 640 5:6\nblock special file f1:12c 600 0:0\nfifo 0:0 622 0:0\ncharacter special file 1:3 666 0:0",
    );
}

/// No driver has 240:7, so an open that is allowed fails with ENXIO, and one that is not with EPERM.
#[test]
fn the_cgroup_decides_who_is_opened() {
    let devices = json!([{"path": "/dev/own", "type": "c", "major": 240, "minor": 7}]);
    let deny = json!({"allow": false, "access": "rwm"});
    let rule = |access: &str| json!({"allow": true, "type": "c", "major": 240, "minor": 7, "access": access});
    let any = json!({"allow": true, "type": "c", "major": 240, "access": "rw"});
    let (yes, no) = ("No such device or address", "Operation not permitted");
    for (rules, read, write) in [
        (json!([deny]), no, no),
        (json!([deny, rule("rwm")]), yes, yes),
        (json!([deny, rule("r")]), yes, no),
        (json!([deny, rule("w")]), no, yes),
        (json!([deny, any]), yes, yes),
        (json!([rule("rwm"), deny]), no, no),
        (
            json!([deny, rule("rw"), {"allow": false, "type": "c", "major": 240, "minor": 7, "access": "w"}]),
            yes,
            no,
        ),
    ] {
        let bundle = shell("cat /dev/own; echo x > /dev/own");
        let out = with_devices(bundle, devices.clone(), rules.clone()).run();
        let lines: Vec<&str> = out.stderr.lines().collect();
        let [first, second] = lines[..] else { panic!("{rules}: {out:?}") };
        let second = second.replace("nonexistent directory", yes);
        assert!(first.ends_with(read) && second.ends_with(write), "{rules}: {out:?}");
    }
}

/// The devices that every container has can be used under any rules.
#[test]
fn the_default_ones_are_always_allowed() {
    let bundle = shell("head -c 1 /dev/zero /dev/urandom > /dev/null && echo x > /dev/full || echo full");
    with_devices(bundle, json!([]), json!([{"allow": false, "access": "rwm"}]))
        .run()
        .ok()
        .assert_stdout("full");
}

/// With CAP_MKNOD: a node that the rules do not know can be made as runc allows (`m`), and not opened.
#[test]
fn what_is_made_inside_is_judged_too() {
    let bundle = shell("mknod /tmp/x c 240 9 && cat /tmp/x").edit(|config| {
        for set in ["bounding", "effective", "permitted"] {
            config["process"]["capabilities"][set] = json!(["CAP_MKNOD"]);
        }
    });
    bundle.run().assert_exit(1).assert_stderr_has("Operation not permitted");
}

/// In a user namespace nobody may make a device: the runtime does, outside. Its name need not be the host's.
#[test]
fn in_a_user_namespace() {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let devices = json!([{"path": "/dev/own", "type": "c", "major": 1, "minor": 5, "fileMode": 0o644, "uid": 5, "gid": 6}]);
    let bundle = shell(
        "stat -c '%t:%T %a %u:%g' /dev/own /dev/null; head -c 1 /dev/own | od -An -t x1; echo x > /dev/null",
    )
    .edit(|config| {
        config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
        config["linux"]["devices"] = devices;
    });
    std::fs::set_permissions(bundle.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("chmod");
    let out = bundle.run();
    // runc binds the host's node of the same name.
    if is_ours() {
        out.ok().assert_stdout("1:5 644 5:6\n1:3 666 0:0\n 00");
    }
}
