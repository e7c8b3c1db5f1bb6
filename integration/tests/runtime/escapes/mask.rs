//! CVE-2025-31133: masked paths are covered by the host's `/dev/null`, whatever the image has there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ketch_integration::Bundle;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::json;

use super::exchange::while_exchanging;
use super::sentinel::{SECRET, Sentinel};
use super::without_dev;
use crate::shell;

/// How many paths are masked.
const EACH: usize = 50;

/// A container that says which of its masked paths are no null devices, or can be read.
fn masked() -> Bundle {
    let script = "for p in /masked/*; do [ \"$(stat -c %t:%T $p)\" = 1:3 ] || echo $p is $(stat -c %F:%t:%T $p); cat $p; done";
    let bundle = without_dev(shell(script)).edit(|config| {
        config["linux"]["maskedPaths"] = (0..EACH).map(|i| json!(format!("/masked/{i}"))).collect();
    });
    fs::create_dir(bundle.rootfs().join("masked")).expect("a directory");
    for i in 0..EACH {
        fs::write(bundle.rootfs().join(format!("masked/{i}")), "masked\n").expect("a file");
    }
    bundle
}

/// Makes `link` lead to the sentinel's file, on the host as in the container, which has one of its own there.
fn link(bundle: &Bundle, sentinel: &Sentinel, link: &Path) {
    let file = sentinel.file("null");
    let inside = bundle.rootfs().join(file.strip_prefix("/").expect("absolute"));
    fs::create_dir_all(inside.parent().expect("a parent")).expect("directories");
    fs::write(inside, SECRET).expect("a file");
    symlink(file, link).expect("a symlink");
}

#[test]
fn null_swapped_while_paths_are_masked() {
    let (sentinel, bundle) = (Sentinel::new(), masked());
    let (null, other) = (bundle.rootfs().join("dev/null"), bundle.rootfs().join("dev/other"));
    mknod(&null, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).expect("a node");
    link(&bundle, &sentinel, &other);
    while_exchanging(&null, &other, EACH, |_| {
        let out = bundle.run();
        assert_eq!(out.stdout, "", "not masked: {out:?}");
        sentinel.assert_untouched("a swapped /dev/null");
        out
    });
}

#[test]
fn null_of_the_images_own() {
    let sentinel = Sentinel::new();
    for stand_in in ["symlink", "file", "directory", "zero"] {
        let bundle = masked();
        let null = bundle.rootfs().join("dev/null");
        match stand_in {
            "symlink" => link(&bundle, &sentinel, &null),
            "file" => fs::write(&null, SECRET).expect("a file"),
            "directory" => fs::create_dir(&null).expect("a directory"),
            _ => {
                mknod(&null, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 5)).expect("a node");
            }
        }
        let out = bundle.run();
        assert_eq!(out.stdout, "", "{stand_in}: {out:?}");
        sentinel.assert_untouched(stand_in);
    }
}
