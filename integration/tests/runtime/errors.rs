//! Errors: one clear line with the step, the object and the reason, exit code 1, and nothing left.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::{is_ours, shell};

#[test]
fn a_configuration_that_cannot_be() {
    type Change = fn(&mut Value);
    let cases: &[(Change, &[&str])] = &[
        (|c| c["ociVersion"] = json!("2.0.0"), &["ociVersion", "2.0.0"]),
        (|c| c["ociVersion"] = json!("one"), &["ociVersion"]),
        (|c| c["process"]["args"] = json!([]), &["process.args"]),
        (|c| c["process"]["cwd"] = json!("relative"), &["process.cwd"]),
        (|c| c["process"]["env"] = json!(["nothing"]), &["process.env", "nothing"]),
        (
            |c| c["process"]["rlimits"] = json!([{"type": "RLIMIT_NONESUCH", "soft": 1, "hard": 1}]),
            &["RLIMIT_NONESUCH"],
        ),
        (
            |c| c["process"]["rlimits"] = json!([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
            &["RLIMIT_CORE"],
        ),
        (|c| c["process"]["oomScoreAdj"] = json!(5000), &["5000"]),
        (|c| c["linux"]["namespaces"][0]["type"] = json!("nonesuch"), &["nonesuch"]),
        (|c| c["linux"]["rootfsPropagation"] = json!("sideways"), &["sideways"]),
        (|c| c["linux"]["sysctl"] = json!({"nonesuch.x": "1"}), &["nonesuch.x"]),
        (
            |c| c["linux"]["devices"] = json!([{"path": "/dev/x", "type": "q", "major": 1, "minor": 1}]),
            &["q"],
        ),
        (|c| c["root"]["path"] = json!(""), &["root.path"]),
        (|c| c["mounts"] = json!([{"destination": "/x", "type": "nonesuchfs"}]), &["/x", "nonesuchfs"]),
        (
            |c| c["mounts"] = json!([{"destination": "/x", "source": "/nonesuch", "options": ["bind"]}]),
            &["/nonesuch", "/x", "no such file"],
        ),
        (|c| c["hooks"] = json!({"poststart": [{"path": "relative"}]}), &["hooks.poststart", "relative"]),
    ];
    for (change, parts) in cases {
        let bundle = shell("true").edit(change);
        let out = bundle.run();
        if is_ours() {
            let out = out.assert_exit(1).assert_one_error_line();
            for part in *parts {
                assert!(out.stderr.contains(part), "{part}: {out:?}");
            }
            bundle.runtime(["state", &bundle.id]).assert_exit(1);
        }
    }
}

#[test]
fn a_program_that_cannot_be_run() {
    for (name, content, mode, reason) in [
        ("plain", "#!/bin/sh\n", 0o644, "permission denied"),
        ("garbage", "\x7fELF and no more", 0o755, "exec format error"),
        ("orphan", "#!/nonesuch/interpreter\n", 0o755, "no such file"),
    ] {
        let bundle = shell("true").args([format!("/opt/{name}")]);
        let path = bundle.rootfs().join("opt").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        let out = bundle.run();
        assert_ne!(out.code, 0, "{out:?}");
        if is_ours() {
            out.assert_exit(1).assert_one_error_line().assert_stderr_has(name).assert_stderr_has(reason);
        }
    }
    for (program, reason) in
        [("/etc", "permission denied"), ("/nonesuch", "no such file"), ("nonesuch", "no such file")]
    {
        let out = shell("true").args([program]).run();
        assert_ne!(out.code, 0, "{out:?}");
        if is_ours() {
            out.assert_exit(1).assert_one_error_line().assert_stderr_has(program).assert_stderr_has(reason);
        }
    }
}

/// The same words reach whoever called `create`, with the program's own errors left to `start`.
#[test]
fn create_says_what_is_wrong_with_the_program() {
    let bundle = shell("true").args(["/nonesuch"]);
    let out = bundle.create().assert_exit(1).assert_stderr_has("/nonesuch");
    if is_ours() {
        out.assert_one_error_line();
    }
    bundle.runtime(["state", &bundle.id]).assert_exit(1);
}
