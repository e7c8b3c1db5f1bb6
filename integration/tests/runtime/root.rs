//! `root`.

use std::fs;

use serde_json::json;

use crate::{is_ours, shell};

#[test]
fn read_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let bundle = shell("touch /x /etc/x 2>&1 | grep -c Read-only; touch /data/x /dev/x && echo writable; awk '$5 == \"/\" { print $6 }' /proc/self/mountinfo | grep -o '^ro'")
        .bind(dir.path(), "/data", "")
        .edit(|config| config["root"]["readonly"] = json!(true));
    bundle.run().ok().assert_stdout("2\nwritable\nro");
}

#[test]
fn it_is_all_there_is() {
    let bundle = shell(
        "ls -a / | grep -c 'rootfs\\|config.json\\|usr'; cd ../../../..; [ $(stat -c %i .) = $(stat -c %i /) ] && echo same; awk '$5 == \"/\"' /proc/self/mountinfo | wc -l",
    );
    bundle.run().ok().assert_stdout("0\nsame\n1");
}

#[test]
fn it_may_be_anywhere() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let bundle = shell("cat /mark");
    let path = elsewhere.path().join("root with a space");
    fs::rename(bundle.rootfs(), &path)
        .or_else(|_| {
            ketch_integration::program::run(
                "cp",
                ["-a".as_ref(), bundle.rootfs().as_os_str(), path.as_os_str()],
            )
            .ok();
            fs::remove_dir_all(bundle.rootfs())
        })
        .expect("the root moves");
    fs::write(path.join("mark"), "mark").expect("a file");
    bundle.edit(|config| config["root"]["path"] = json!(path)).run().ok().assert_stdout("mark");
}

#[test]
fn one_that_is_not_there() {
    for path in ["/nonesuch", "nonesuch", "config.json"] {
        let bundle = shell("true").edit(|config| config["root"]["path"] = json!(path));
        let out = bundle.run().assert_exit(1).assert_stderr_has(path);
        if is_ours() {
            out.assert_one_error_line();
        }
    }
}
