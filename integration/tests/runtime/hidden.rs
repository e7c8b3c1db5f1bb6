//! Masked and read-only paths.

use std::fs;

use serde_json::json;

use crate::shell;

#[test]
fn masked_paths_are_empty() {
    let bundle = shell("cat /secret; ls -A /secrets; echo x > /secret; touch /secrets/x 2>&1 | grep -o Read-only; cat /secret /link")
        .edit(|config| config["linux"]["maskedPaths"] = json!(["/secret", "/secrets", "/nonesuch/x", "/link"]));
    let root = bundle.rootfs();
    fs::write(root.join("secret"), "secret").expect("a file");
    fs::write(root.join("linked"), "secret").expect("a file");
    std::os::unix::fs::symlink("linked", root.join("link")).expect("a symlink");
    fs::create_dir(root.join("secrets")).expect("a directory");
    fs::write(root.join("secrets/one"), "secret").expect("a file");
    bundle.run().ok().assert_stdout("Read-only");
    assert_eq!(fs::read_to_string(root.join("secret")).expect("the file"), "secret");
    assert!(!root.join("nonesuch").exists());
}

#[test]
fn read_only_paths() {
    let bundle =
        shell("cat /file; for p in /file /dir/x /nonesuch; do echo x 2> /dev/null > $p || echo no $p; done")
            .edit(|config| config["linux"]["readonlyPaths"] = json!(["/file", "/dir", "/nonesuch/y"]));
    fs::write(bundle.rootfs().join("file"), "text\n").expect("a file");
    fs::create_dir(bundle.rootfs().join("dir")).expect("a directory");
    bundle.run().ok().assert_stdout("text\nno /file\nno /dir/x");
    assert!(bundle.rootfs().join("nonesuch").is_file());
}

/// A relative path starts at the root, and does not lead out of it.
#[test]
fn relative_paths() {
    let bundle = shell("cat secret; for p in dir file; do echo x 2> /dev/null > $p/x || echo no $p; done")
        .edit(|config| {
            config["linux"]["maskedPaths"] = json!(["secret", "nonesuch"]);
            config["linux"]["readonlyPaths"] = json!(["../dir", "nonesuch"]);
        });
    fs::write(bundle.rootfs().join("secret"), "secret").expect("a file");
    fs::create_dir(bundle.rootfs().join("dir")).expect("a directory");
    bundle.run().ok().assert_stdout("no dir\nno file");
}

/// What `spec` hides: the kernel's knobs, keys and memory.
#[test]
fn the_default_ones() {
    let bundle = shell(
        "for p in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug; do [ ! -s $p ] || wc -c < $p; cat $p | head -c 1; done 2> /dev/null
         ls -A /proc/acpi /proc/scsi /sys/firmware 2> /dev/null | grep -v :
         for p in /proc/sys/kernel/panic /proc/sysrq-trigger /proc/irq/x /proc/bus/x /proc/fs/x; do ( echo 0 > $p ) 2> /dev/null && echo $p; done; true",
    );
    let out = bundle.run().ok();
    assert_eq!(out.text(), "", "{out:?}");
}
