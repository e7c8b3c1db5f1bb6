//! mounts add, mounts remove: as crun has them.

use std::fs;

use serde_json::{Value, json};

use crate::subject::{Bundle, Output, Subject, subject};

fn running() -> Bundle {
    let bundle = Bundle::new(&["sleep", "1000"]);
    let source = bundle.path().join("source");
    fs::create_dir(&source).expect("mkdir");
    fs::write(source.join("file"), "hello\n").expect("a file");
    bundle.configure(|config| config["root"]["readonly"] = false.into());
    bundle.make("run", &["--detach"]).succeeds();
    bundle
}

fn mounts(bundle: &Bundle, action: &str, list: &Value) -> Output {
    let file = bundle.path().join("mounts.json");
    fs::write(&file, list.to_string()).expect("a file");
    bundle.call(&["mounts", action, &bundle.id, file.to_str().expect("UTF-8")])
}

fn inside(bundle: &Bundle, script: &str) -> String {
    bundle.call(&["exec", &bundle.id, "sh", "-c", script]).succeeds().stdout
}

#[test]
fn come_and_go() {
    if subject() == Subject::Runc {
        return;
    }
    let bundle = running();
    let source = bundle.path().join("source");
    let list = json!([
        { "destination": "/new/place", "type": "bind", "source": source, "options": ["bind", "ro"] },
        { "destination": "/new/file", "type": "bind", "source": source.join("file"), "options": ["bind"] },
        { "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "nosuid"] },
    ]);
    mounts(&bundle, "add", &list).succeeds();
    assert_eq!(inside(&bundle, "cat /new/place/file /new/file"), "hello\nhello\n");
    assert_eq!(inside(&bundle, "echo x 2>/dev/null >/new/place/y || echo read-only"), "read-only\n");
    assert_eq!(inside(&bundle, "echo x >/tmp/x; cat /tmp/x"), "x\n");
    assert!(!bundle.path().join("rootfs/tmp/x").exists());

    mounts(&bundle, "remove", &json!([{ "destination": "/tmp" }, { "destination": "/new/place" }]))
        .succeeds();
    assert_eq!(inside(&bundle, "ls /tmp /new/place; cat /new/file"), "/new/place:\n\n/tmp:\nhello\n");
}

#[test]
fn one_that_fails_takes_the_others_with_it() {
    if subject() != Subject::Ketchrun {
        return;
    }
    let bundle = running();
    let mounted = || inside(&bundle, "cat /proc/self/mountinfo");
    let before = mounted();
    let good = json!({ "destination": "/tmp", "type": "tmpfs", "source": "t" });
    for (bad, word) in [
        (json!({ "destination": "/x", "type": "nonesuch", "source": "t" }), "nonesuch"),
        (
            json!({ "destination": "/x", "type": "bind", "source": "/nonesuch", "options": ["bind"] }),
            "/nonesuch",
        ),
        (json!({ "destination": "/", "type": "tmpfs", "source": "t" }), "root"),
        (json!({ "destination": "/proc", "type": "proc", "source": "p" }), "procfs"),
        (json!({ "destination": "/proc/self", "type": "tmpfs", "source": "t" }), "/proc"),
    ] {
        mounts(&bundle, "add", &json!([good, bad])).fails(1, word);
        assert_eq!(mounted(), before, "{bad}");
    }
    mounts(&bundle, "remove", &json!([{ "destination": "/bin" }])).fails(1, "/bin");
    mounts(&bundle, "remove", &json!([{ "destination": "/" }])).fails(1, "mounts");
    mounts(&bundle, "add", &json!([])).fails(1, "no mount");
    mounts(&bundle, "add", &json!({})).fails(1, "mounts.json");
    mounts(&bundle, "move", &json!([])).fails(1, "move");
    bundle.kill_and_wait();
    mounts(&bundle, "add", &json!([good])).fails(1, "container not running");
}

/// A symlink in the image leads somewhere in the image.
#[test]
fn stay_in_the_root() {
    if subject() != Subject::Ketchrun {
        return;
    }
    let bundle = running();
    let outside = bundle.path().join("outside");
    fs::create_dir(&outside).expect("mkdir");
    std::os::unix::fs::symlink(&outside, bundle.path().join("rootfs/link")).expect("symlink");
    let list = json!([{ "destination": "/link/x", "type": "tmpfs", "source": "t" }]);
    mounts(&bundle, "add", &list).succeeds();
    assert_eq!(fs::read_dir(&outside).expect("outside").count(), 0);
    inside(&bundle, &format!("echo y >{}/x/y", outside.display()));
    assert_eq!(fs::read_dir(&outside).expect("outside").count(), 0);
}

#[test]
fn in_a_user_namespace() {
    if subject() == Subject::Runc {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    let source = bundle.path().join("source");
    fs::create_dir(&source).expect("mkdir");
    bundle.configure(|config| {
        let linux = &mut config["linux"];
        linux["namespaces"].as_array_mut().expect("a list").push(json!({ "type": "user" }));
        let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
        (linux["uidMappings"], linux["gidMappings"]) = (map.clone(), map);
    });
    // The way to the bundle must be open to the ids inside.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bundle.path(), open).expect("chmod");
    bundle.make("run", &["--detach"]).succeeds();
    let list = json!([
        { "destination": "/tmp", "type": "tmpfs", "source": "t", "options": ["mode=755"] },
        { "destination": "/dev/mqueue", "type": "bind", "source": source, "options": ["bind"] },
    ]);
    mounts(&bundle, "add", &list).succeeds();
    assert_eq!(inside(&bundle, "echo x >/tmp/x; cat /tmp/x; ls /dev/mqueue"), "x\n");
}
