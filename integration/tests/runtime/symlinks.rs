//! Symlinks in an image never lead a mount, a device or a mask out of the container's root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ketch_integration::Bundle;
use serde_json::json;

use crate::{is_ours, shell};

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).expect("a directory").next().is_none()
}

/// Makes `link` in the container's root, and the directories above it.
fn link(bundle: &Bundle, link: &str, target: &Path) {
    let path = bundle.rootfs().join(link);
    fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
    symlink(target, path).expect("a symlink");
}

#[test]
fn a_destination_behind_a_symlink_stays_inside() {
    for (name, up) in
        [("absolute", ""), ("relative", "../../../../../../../../.."), ("dangling", "/nonesuch/..")]
    {
        let (source, outside) =
            (tempfile::tempdir().expect("a source"), tempfile::tempdir().expect("an outside"));
        fs::write(source.path().join("mark"), "mark").expect("a file");
        let target = Path::new(&format!("{up}{}", outside.path().display())).to_owned();
        let bundle = shell("cat /a/link/data/mark").bind(source.path(), "/a/link/data", "");
        link(&bundle, "a/link", &target);
        let out = bundle.run();
        // runc refuses some of these; what counts is that nothing is made outside.
        if is_ours() && name != "dangling" {
            out.ok().assert_stdout("mark");
        }
        assert!(is_empty(outside.path()), "{name}");
    }
}

#[test]
fn a_dangling_destination_is_made_inside() {
    let source = tempfile::tempdir().expect("a source");
    fs::write(source.path().join("mark"), "mark").expect("a file");
    let file = source.path().join("mark");
    let bundle =
        shell("cat /link/mark; cat /file; cat /not/there/mark /etc/file").bind(source.path(), "/link", "");
    let bundle = bundle.bind(&file, "/file", "");
    link(&bundle, "link", Path::new("/not/there"));
    link(&bundle, "file", Path::new("etc/file"));
    let out = bundle.run();
    if is_ours() {
        out.ok().assert_stdout("markmarkmarkmark");
    }
}

#[test]
fn a_symlink_to_a_file_of_the_hosts() {
    let dir = tempfile::tempdir().expect("a directory");
    let (source, victim) = (dir.path().join("source"), dir.path().join("victim"));
    fs::write(&source, "source").expect("a file");
    fs::write(&victim, "victim").expect("a file");
    let bundle = shell("cat /etc/hosts").bind(&source, "/etc/hosts", "");
    link(&bundle, "etc/hosts", &victim);
    let out = bundle.run();
    if is_ours() {
        out.ok().assert_stdout("source");
    }
    assert_eq!(fs::read_to_string(&victim).expect("the file"), "victim");
}

#[test]
fn a_loop_is_an_error() {
    let source = tempfile::tempdir().expect("a source");
    let bundle = shell("true").bind(source.path(), "/loop/data", "");
    link(&bundle, "loop", Path::new("loop"));
    let out = bundle.run().assert_exit(1);
    if is_ours() {
        out.assert_one_error_line().assert_stderr_has("/loop/data").assert_stderr_has("symbolic links");
    }
}

/// CVE-2019-19921 and CVE-2019-16884: what is written to as /proc is procfs, and is where it belongs.
#[test]
fn proc_is_no_symlink() {
    for target in ["/elsewhere", "elsewhere", "/proc2/../elsewhere"] {
        let bundle = shell("true");
        fs::remove_dir(bundle.rootfs().join("proc")).expect("an empty directory");
        fs::create_dir(bundle.rootfs().join("elsewhere")).expect("a directory");
        link(&bundle, "proc", Path::new(target));
        assert_ne!(bundle.run().code, 0, "{target}");
    }
}

/// CVE-2019-16884: a volume of the image's must not take the place of /proc or a part of it.
#[test]
fn proc_is_not_covered() {
    let source = tempfile::tempdir().expect("a source");
    for destination in ["/proc/self/attr", "/proc/sys", "/tmp/../proc/sys", "/link/sys"] {
        let bundle = shell("true").bind(source.path(), destination, "");
        link(&bundle, "link", Path::new("/proc"));
        assert_ne!(bundle.run().code, 0, "{destination}");
    }
}

#[test]
fn dev_behind_a_symlink_stays_inside() {
    let outside = tempfile::tempdir().expect("an outside");
    let bundle = shell("true").edit(|config| {
        let mounts = config["mounts"].as_array_mut().expect("a list");
        mounts.retain(|mount| !mount["destination"].as_str().is_some_and(|at| at.starts_with("/dev")));
    });
    fs::remove_dir(bundle.rootfs().join("dev")).expect("an empty directory");
    link(&bundle, "dev", outside.path());
    bundle.run();
    assert!(is_empty(outside.path()));
}

/// CVE-2025-31133: masks are made of the host's /dev/null, whatever the image has there.
#[test]
fn dev_null_of_the_images_own() {
    let bundle = shell("cat /secret; echo x > /etc/victim; cat /etc/victim").edit(|config| {
        let mounts = config["mounts"].as_array_mut().expect("a list");
        mounts.retain(|mount| !mount["destination"].as_str().is_some_and(|at| at.starts_with("/dev")));
        config["linux"]["maskedPaths"] = json!(["/secret"]);
    });
    fs::write(bundle.rootfs().join("secret"), "secret").expect("a file");
    fs::write(bundle.rootfs().join("etc/victim"), "victim").expect("a file");
    link(&bundle, "dev/null", Path::new("/etc/victim"));
    let out = bundle.run();
    assert!(!out.stdout.contains("secret"), "{out:?}");
    assert!(!out.stdout.contains("victim"), "{out:?}");
}
