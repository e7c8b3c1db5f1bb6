//! `process`: user, capabilities, limits and what else the program is run with.

use ketch_integration::Bundle;
use serde_json::{Value, json};

use crate::shell;

/// The five capability sets, as /proc/self/status has them.
const SETS: &str = "grep ^Cap /proc/self/status | tr -d '\\t' | sed 's/:0*/ /'";

fn capabilities(bundle: Bundle, sets: Value) -> Bundle {
    bundle.edit(|config| config["process"]["capabilities"] = sets)
}

/// capabilities(7): chown 0, kill 5, setuid 7, net_bind_service 10, sys_chroot 18.
#[test]
fn the_five_sets() {
    let (chown, kill, bind) = ("CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE");
    let sets = json!({
        "bounding": [chown, kill, bind], "permitted": [chown, kill], "effective": [chown],
        "inheritable": [kill], "ambient": [kill],
    });
    // root gains by execve what the bounding and inheritable sets allow: run as another user it gains nothing.
    let bundle = capabilities(shell(SETS), sets)
        .edit(|config| config["process"]["user"] = json!({"uid": 1000, "gid": 1000}));
    bundle.run().ok().assert_stdout("CapInh 20\nCapPrm 20\nCapEff 20\nCapBnd 421\nCapAmb 20");
}

#[test]
fn root_has_what_the_bounding_set_allows() {
    let all = json!(["CAP_CHOWN", "CAP_SYS_CHROOT"]);
    let sets = json!({"bounding": all, "permitted": all, "effective": all});
    capabilities(shell(SETS), sets)
        .run()
        .ok()
        .assert_stdout("CapInh \nCapPrm 40001\nCapEff 40001\nCapBnd 40001\nCapAmb");
    capabilities(shell(SETS), json!({}))
        .run()
        .ok()
        .assert_stdout("CapInh \nCapPrm \nCapEff \nCapBnd \nCapAmb");
}

#[test]
fn another_user_has_none() {
    let all = json!(["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]);
    let sets = json!({"bounding": all, "permitted": all, "effective": all});
    let bundle = capabilities(shell(SETS), sets)
        .edit(|config| config["process"]["user"] = json!({"uid": 7, "gid": 7}));
    bundle.run().ok().assert_stdout("CapInh \nCapPrm \nCapEff \nCapBnd 401\nCapAmb");
}

#[test]
fn user_groups_and_umask() {
    let bundle =
        shell("id -u; id -g; id -G; umask; touch /tmp/x; stat -c '%a %u:%g' /tmp/x").edit(|config| {
            config["process"]["user"] =
                json!({"uid": 1000, "gid": 1001, "additionalGids": [7, 8], "umask": 0o27});
            config["mounts"].as_array_mut().expect("a list").push(json!({
                "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"],
            }));
        });
    bundle.run().ok().assert_stdout("1000\n1001\n1001 7 8\n0027\n640 1000:1001");
    shell("id -G; umask").run().ok().assert_stdout("0\n0022");
}

#[test]
fn limits() {
    let bundle = shell("ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hs").edit(|config| {
        config["process"]["rlimits"] = json!([
            {"type": "RLIMIT_NOFILE", "soft": 128, "hard": 256},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            {"type": "RLIMIT_STACK", "soft": 4_194_304, "hard": 6_291_456},
        ]);
    });
    bundle.run().ok().assert_stdout("128\n256\n0\n6144");
}

#[test]
fn no_new_privileges() {
    for (wanted, shown) in [(true, "1"), (false, "0")] {
        shell("grep NoNewPrivs /proc/self/status | cut -f2")
            .edit(|config| config["process"]["noNewPrivileges"] = json!(wanted))
            .run()
            .ok()
            .assert_stdout(shown);
    }
}

#[test]
fn oom_score_adj() {
    let bundle =
        shell("cat /proc/self/oom_score_adj").edit(|config| config["process"]["oomScoreAdj"] = json!(321));
    bundle.run().ok().assert_stdout("321");
}

#[test]
fn the_working_directory_is_made() {
    for (uid, read_only) in [(0, false), (0, true), (1000, true)] {
        let bundle = shell("pwd; ls -ld .. | cut -c1-10").edit(|config| {
            config["process"]["cwd"] = json!("/made/for/me");
            config["process"]["user"] = json!({"uid": uid, "gid": uid});
            config["root"]["readonly"] = json!(read_only);
        });
        bundle.run().ok().assert_stdout("/made/for/me\ndrwxr-xr-x");
    }
}

/// A directory that its user alone could not enter: runc and crun enter it as root.
#[test]
fn a_working_directory_of_roots() {
    let bundle = shell("ls ..").edit(|config| {
        config["process"]["cwd"] = json!("/private/dir");
        config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    });
    let dir = bundle.rootfs().join("private");
    std::fs::create_dir_all(dir.join("dir")).expect("directories");
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("chmod");
    bundle.run().assert_exit(1).assert_stderr_has("Permission denied");
}

#[test]
fn only_the_configured_environment() {
    let bundle = Bundle::busybox().args(["env"]).edit(|config| {
        config["process"]["env"] = json!(["PATH=/bin", "ONE=1", "TWO=a b=c", "HOME=/h", "EMPTY="]);
    });
    let mut lines: Vec<String> = bundle.run().ok().stdout.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["EMPTY=", "HOME=/h", "ONE=1", "PATH=/bin", "TWO=a b=c"]);
}

/// A program without a slash is looked for in the container's own PATH.
#[test]
fn the_program_is_found_in_its_path() {
    let bundle = Bundle::busybox()
        .args(["tool"])
        .edit(|config| config["process"]["env"] = json!(["PATH=/none:/opt/x:/bin"]));
    let dir = bundle.rootfs().join("opt/x");
    std::fs::create_dir_all(&dir).expect("directories");
    std::fs::write(dir.join("tool"), "#!/bin/sh\necho found\n").expect("a file");
    std::fs::set_permissions(dir.join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("chmod");
    bundle.run().ok().assert_stdout("found");
}
