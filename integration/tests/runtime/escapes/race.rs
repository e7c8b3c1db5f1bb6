//! Paths that change while something is made at them: what another container with a volume in common can do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use ketch_integration::Bundle;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::json;

use super::exchange::while_exchanging;
use super::sentinel::Sentinel;
use super::without_dev;
use crate::shell;

/// How many mounts or devices each container has: every one is an attempt.
const EACH: usize = 50;

/// The directory `name` in the container's root, and a symlink to the sentinel to be exchanged with it.
fn two_faced(bundle: &Bundle, name: &str, sentinel: &Sentinel) -> (PathBuf, PathBuf) {
    let (real, link) = (bundle.rootfs().join(name), bundle.rootfs().join(format!("{name}.link")));
    fs::create_dir_all(&real).expect("a directory");
    symlink(sentinel.path(), &link).expect("a symlink");
    (real, link)
}

/// CVE-2021-30465: a directory on the way that is swapped for a symlink at the wrong moment. A volume so gets mounted
/// elsewhere on the host, and the next one from there.
#[test]
fn a_directory_swapped_while_it_is_mounted_on() {
    let (source, sentinel) = (tempfile::tempdir().expect("a source"), Sentinel::new());
    let name = sentinel.path().file_name().expect("a name").to_str().expect("UTF-8");
    // A mount point in the root may well have the sentinel's path, but nothing that is mounted comes from there.
    let mut bundle = shell(&format!("cut -d' ' -f4 /proc/self/mountinfo | grep -o ^/var/tmp/{name}; true"));
    for i in 0..EACH {
        bundle = bundle.bind(source.path(), &format!("/swap/{i}/data"), "");
    }
    let (real, link) = two_faced(&bundle, "swap", &sentinel);
    while_exchanging(&real, &link, EACH, |_| {
        let out = bundle.run();
        assert!(!out.stdout.contains(name), "a mount of the host's: {out:?}");
        sentinel.assert_untouched("a swapped directory");
        out
    });
}

/// CVE-2024-45310: the same, for the empty files and directories that are made where a mount has no place yet.
#[test]
fn a_directory_swapped_while_something_is_made_in_it() {
    let (source, sentinel) = (tempfile::tempdir().expect("a source"), Sentinel::new());
    let file = source.path().join("file");
    fs::write(&file, "").expect("a file");
    let mut bundle = shell("true");
    let usual = bundle.config["mounts"].clone();
    let (real, link) = two_faced(&bundle, "swap", &sentinel);
    while_exchanging(&real, &link, EACH, |round| {
        bundle.config["mounts"] = usual.clone();
        let mounts = bundle.config["mounts"].as_array_mut().expect("a list");
        mounts.extend((0..EACH).map(|i| {
            json!({"destination": format!("/swap/{round}/{}/{i}", i / 10), "source": file, "options": ["bind"]})
        }));
        let out = bundle.run();
        sentinel.assert_untouched("a swapped directory");
        out
    });
}

/// A device node that is there already is given the mode and owner of the configuration: not the file to which a symlink
/// leads that has taken its place since it was looked at.
#[test]
fn a_device_swapped_while_its_mode_is_set() {
    let sentinel = Sentinel::new();
    let bundle = shell("true");
    let (real, link) = (bundle.rootfs().join("dev/node"), bundle.rootfs().join("dev/node.link"));
    mknod(&real, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(1, 3)).expect("a node");
    symlink(sentinel.file("passwd"), &link).expect("a symlink");
    let bundle = without_dev(bundle).edit(|config| {
        // Many paths to the one node, and another mode each time.
        let device = |i| {
            let mode = if i % 2 == 0 { 0o666 } else { 0o600 };
            json!({"path": format!("/d{i}/node"), "type": "c", "major": 1, "minor": 3, "fileMode": mode, "uid": 7})
        };
        config["linux"]["devices"] = (0..EACH).map(device).collect();
    });
    for i in 0..EACH {
        symlink("dev", bundle.rootfs().join(format!("d{i}"))).expect("a symlink");
    }
    while_exchanging(&real, &link, EACH, |_| {
        let out = bundle.run();
        sentinel.assert_untouched("a swapped device");
        out
    });
}

/// `/dev` itself, where the configuration mounts none.
#[test]
fn dev_swapped_while_it_is_filled() {
    let sentinel = Sentinel::new();
    let mut bundle = without_dev(shell("true"));
    fs::remove_dir(bundle.rootfs().join("dev")).expect("an empty directory");
    let (real, link) = two_faced(&bundle, "dev", &sentinel);
    while_exchanging(&real, &link, EACH, |round| {
        let device =
            |i| json!({"path": format!("/dev/{round}-{i}/node"), "type": "c", "major": 1, "minor": 3});
        bundle.config["linux"]["devices"] = (0..EACH).map(device).collect();
        let out = bundle.run();
        sentinel.assert_untouched("a swapped /dev");
        out
    });
}
