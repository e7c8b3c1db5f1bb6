//! Id-mapped binds: `uidMappings` and `gidMappings` of a mount, `idmap`, `ridmap`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use ketch_integration::{Bundle, program};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{is_ours, run_on_host, shell};

fn map(container: u32, host: u32, size: u32) -> Value {
    json!([{"containerID": container, "hostID": host, "size": size}])
}

/// A directory whose file is of user 5 and group 6.
fn data() -> TempDir {
    let data = tempfile::tempdir_in("/var/tmp").expect("a directory");
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::write(data.path().join("file"), "text").expect("a file");
    for path in [data.path().to_owned(), data.path().join("file")] {
        chown(path, Some(5), Some(6)).expect("chown");
    }
    data
}

fn bound(bundle: Bundle, source: &Path, options: &[&str], maps: Option<(Value, Value)>) -> Bundle {
    bundle.edit(|config| {
        let mut mount = json!({"destination": "/data", "type": "bind", "source": source, "options": options});
        if let Some((uids, gids)) = maps {
            mount["uidMappings"] = uids;
            mount["gidMappings"] = gids;
        }
        config["mounts"].as_array_mut().expect("a list").push(mount);
    })
}

/// Ids 0 to 65535 are the host's from 100000 on.
fn in_user_namespace(bundle: Bundle) -> Bundle {
    fs::set_permissions(bundle.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    for name in ["", "tmp", "etc", "dev", "proc", "sys"] {
        chown(bundle.rootfs().join(name), Some(100_000), Some(100_000)).expect("chown");
    }
    bundle.edit(|config| {
        config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map(0, 100_000, 65536);
        config["linux"]["gidMappings"] = map(0, 100_000, 65536);
    })
}

const OWNERS: &str = "stat -c %u:%g /data/file; touch /data/new && stat -c %u:%g /data/new";

#[test]
fn without_a_user_namespace() {
    let data = data();
    let maps = Some((map(5, 1005, 1), map(6, 1006, 1)));
    let bundle = bound(shell(OWNERS), data.path(), &["bind", "idmap"], maps)
        .edit(|config| config["process"]["user"] = json!({"uid": 1005, "gid": 1006}));
    bundle.run().ok().assert_stdout("1005:1006\n1005:1006");
    let new = fs::metadata(data.path().join("new")).expect("the file");
    assert_eq!((new.uid(), new.gid()), (5, 6));
}

/// Who has no id on the other side is nobody there, and can make nothing.
#[test]
fn ids_that_are_not_mapped() {
    let data = data();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
    let maps = Some((map(0, 0, 1), map(0, 0, 1)));
    bound(shell("stat -c %u:%g /data/file"), data.path(), &["bind", "idmap"], maps)
        .run()
        .ok()
        .assert_stdout("65534:65534");
    let maps = Some((map(5, 1005, 1), map(6, 1006, 1)));
    bound(shell("touch /data/new"), data.path(), &["bind", "idmap"], maps)
        .run()
        .assert_exit(1)
        .assert_stderr_has("Value too large");
}

/// What is root's on the host is root's in there.
#[test]
fn as_the_containers_user_namespace() {
    let data = data();
    for path in [data.path().to_owned(), data.path().join("file")] {
        chown(path, Some(0), Some(0)).expect("chown");
    }
    in_user_namespace(bound(shell(OWNERS), data.path(), &["bind", "idmap"], None))
        .run()
        .ok()
        .assert_stdout("0:0\n0:0");
    let new = fs::metadata(data.path().join("new")).expect("the file");
    assert_eq!((new.uid(), new.gid()), (0, 0));
}

#[test]
fn otherwise_than_the_containers_user_namespace() {
    let data = data();
    let maps = Some((map(5, 100_000, 1), map(6, 100_000, 1)));
    in_user_namespace(bound(shell(OWNERS), data.path(), &["bind", "idmap"], maps))
        .run()
        .ok()
        .assert_stdout("0:0\n0:0");
    let new = fs::metadata(data.path().join("new")).expect("the file");
    assert_eq!((new.uid(), new.gid()), (5, 6));
}

#[test]
fn as_a_user_namespace_that_is_joined() {
    let data = data();
    chown(data.path().join("file"), Some(0), Some(0)).expect("chown");
    let first = in_user_namespace(Bundle::busybox().args(["sleep", "1000"]));
    crate::start(&first);
    let path = format!("/proc/{}/ns/user", first.state()["pid"]);
    let bundle =
        in_user_namespace(bound(shell("stat -c %u:%g /data/file"), data.path(), &["bind", "idmap"], None))
            .edit(|config| {
                let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
                namespaces.retain(|namespace| namespace["type"] != "user");
                namespaces.push(json!({"type": "user", "path": path}));
                config["linux"].as_object_mut().expect("an object").remove("uidMappings");
                config["linux"].as_object_mut().expect("an object").remove("gidMappings");
            });
    bundle.run().ok().assert_stdout("0:0");
}

/// Mappings without the word are as with `idmap`, which is for the mount itself.
#[test]
fn recursion() {
    let data = data();
    fs::create_dir(data.path().join("below")).expect("a directory");
    let host = format!("mount -t tmpfs -o uid=5,gid=6 none {}/below; exec \"$@\"", data.path().display());
    for (options, below) in
        [(&["rbind"][..], "5:6"), (&["rbind", "idmap"], "5:6"), (&["rbind", "ridmap"], "1005:1006")]
    {
        let maps = Some((map(5, 1005, 1), map(6, 1006, 1)));
        let bundle = bound(shell("stat -c %u:%g /data /data/below"), data.path(), options, maps);
        run_on_host(&bundle, "private", &host).ok().assert_stdout(&format!("1005:1006\n{below}"));
    }
}

#[test]
fn with_other_options() {
    let data = data();
    let maps = Some((map(5, 1005, 1), map(6, 1006, 1)));
    let script = "stat -c %u /data; touch /data/x 2>&1 | grep -o 'Read-only'; grep ' /data ' /proc/self/mountinfo | grep -o 'ro,nosuid'";
    bound(shell(script), data.path(), &["rbind", "idmap", "ro", "nosuid", "rprivate"], maps)
        .run()
        .ok()
        .assert_stdout("1005\nRead-only\nro,nosuid");
}

/// runc knows them for binds only.
#[test]
fn of_a_new_file_system() {
    if !is_ours() {
        return;
    }
    let mount = |kind: &str| {
        json!({
            "destination": "/data", "type": kind, "source": kind, "options": ["idmap"],
            "uidMappings": map(0, 1005, 1), "gidMappings": map(0, 1006, 1),
        })
    };
    let bundle = shell("stat -c %u:%g /data; touch /data/x && stat -c %u:%g /data/x").edit(|config| {
        config["mounts"].as_array_mut().expect("a list").push(mount("tmpfs"));
        config["process"]["user"] = json!({"uid": 1005, "gid": 1006});
    });
    bundle.run().ok().assert_stdout("1005:1006\n1005:1006");
    let cannot = shell("true").edit(|config| {
        config["mounts"].as_array_mut().expect("a list").push(mount("mqueue"));
    });
    cannot.run().assert_exit(1).assert_stderr_has("its file system cannot");
}

/// crun's way to write it.
#[test]
fn ranges_in_the_option() {
    if !is_ours() {
        return;
    }
    let data = data();
    let option = "idmap=uids=5-1005-1#0-0-1;gids=6-1006-1#0-0-1";
    bound(shell("stat -c %u:%g /data/file"), data.path(), &["bind", option], None)
        .run()
        .ok()
        .assert_stdout("1005:1006");
    let option = "idmap=uids=@5-7-1;gids=@6-8-1";
    in_user_namespace(bound(shell("stat -c %u:%g /data/file"), data.path(), &["bind", option], None))
        .run()
        .ok()
        .assert_stdout("7:8");
}

#[test]
fn refused() {
    let data = data();
    let one = || map(0, 0, 1);
    let without = bound(shell("true"), data.path(), &["bind", "idmap"], None);
    without.run().assert_exit(1).assert_stderr_has("map");
    let half = bound(shell("true"), data.path(), &["bind", "idmap"], Some((one(), json!([]))));
    half.run().assert_exit(1).assert_stderr_has("/data");
    // procfs shows no ids but the kernel's.
    let kernels = bound(shell("true"), Path::new("/proc/sys"), &["bind", "idmap"], Some((one(), one())));
    let out = kernels.run().assert_exit(1).assert_stderr_has("/data");
    if is_ours() {
        out.assert_one_error_line().assert_stderr_has("its file system cannot");
    }
}

#[test]
fn only_root_may() {
    if !is_ours() {
        return;
    }
    let data = data();
    let maps = Some((map(5, 1005, 1), map(6, 1006, 1)));
    let bundle = bound(shell("true"), data.path(), &["bind", "idmap"], maps);
    fs::set_permissions(bundle.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
    bundle.write();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=12345", "--regid=12345", "--clear-groups"]).arg(program::runtime());
    command.arg("--root").arg(bundle.path().join("state"));
    command.args([Path::new("run"), Path::new("--bundle"), bundle.path(), Path::new(&bundle.id)]);
    program::finish(&mut command)
        .assert_exit(1)
        .assert_one_error_line()
        .assert_stderr_has("/data: only root may map the ids of a mount");
}
