//! What decides over confinement is read from and written to procfs: nothing else may take its place, or that of a part of it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::exchange::while_exchanging;
use super::sentinel::{SECRET, Sentinel};
use crate::{is_ours, shell};

/// How many mounts each container has: every one is an attempt.
const EACH: usize = 50;

/// In every network namespace of its own.
const SYSCTL: (&str, &str) = ("net.ipv4.ip_unprivileged_port_start", "1234");

/// CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: `/proc` in the image is a symlink to a directory of the image's or a volume's
/// with stand-ins for what is written to: labels, and here a parameter.
#[test]
fn proc_swapped_while_it_is_mounted() {
    let sentinel = Sentinel::new();
    let bundle = shell("true").edit(|config| config["linux"]["sysctl"] = json!({SYSCTL.0: SYSCTL.1}));
    let (real, link) = (bundle.rootfs().join("proc"), bundle.rootfs().join("proc.link"));
    // The same stand-ins inside, where the link leads for one whose root this is.
    let inside = bundle.rootfs().join(sentinel.path().strip_prefix("/").expect("absolute"));
    let stand_in = inside.join("sys/net/ipv4/ip_unprivileged_port_start");
    fs::create_dir_all(stand_in.parent().expect("a parent")).expect("directories");
    fs::write(&stand_in, SECRET).expect("a file");
    symlink(sentinel.path(), &link).expect("a symlink");
    while_exchanging(&real, &link, 1, |_| {
        let out = bundle.run();
        sentinel.assert_untouched("a swapped /proc");
        assert_eq!(fs::read_to_string(&stand_in).expect("the file"), SECRET, "written to: {out:?}");
        out
    });
}

/// CVE-2019-16884, CVE-2025-52881: a volume is mounted over a part of procfs by way of a symlink that is not there when the
/// configuration is looked at, and takes what is written.
#[test]
fn a_part_of_proc_is_not_covered_by_way_of_a_swapped_symlink() {
    let sentinel = Sentinel::new();
    let script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; grep -o '/proc/sys/net.*' /proc/self/mountinfo; true";
    let mut bundle = shell(script).edit(|config| config["linux"]["sysctl"] = json!({SYSCTL.0: SYSCTL.1}));
    for i in 0..EACH {
        bundle = bundle.bind(&sentinel.file("sys/net"), &format!("/link{i}/net"), "");
        symlink("swap/sys", bundle.rootfs().join(format!("link{i}"))).expect("a symlink");
    }
    let (real, link) = (bundle.rootfs().join("swap"), bundle.rootfs().join("swap.link"));
    fs::create_dir_all(real.join("sys/net")).expect("directories");
    symlink("/proc", &link).expect("a symlink");
    while_exchanging(&real, &link, EACH, |_| {
        let out = bundle.run();
        sentinel.assert_untouched("a swapped destination");
        if out.code == 0 {
            assert_eq!(out.text(), SYSCTL.1, "covered: {out:?}");
        }
        out
    });
}

/// The same, with the symlink there from the beginning.
#[test]
fn a_part_of_proc_is_not_covered() {
    let sentinel = Sentinel::new();
    for part in ["self/attr", "self/attr/exec", "thread-self/attr", "sys/net", "sys", "sysrq-trigger", ""] {
        for link in ["/link", "/a/link"] {
            let script = "grep -c '/var/tmp/ketch-sentinel-.* /proc' /proc/self/mountinfo";
            let destination = format!("{link}/{part}");
            let bundle = shell(script)
                .bind(&sentinel.file(part), &destination, "")
                .edit(|config| config["linux"]["sysctl"] = json!({SYSCTL.0: SYSCTL.1}));
            fs::create_dir(bundle.rootfs().join("a")).expect("a directory");
            symlink("/proc", bundle.rootfs().join(&link[1..])).expect("a symlink");
            if !sentinel.file(part).exists() {
                continue;
            }
            let out = bundle.run();
            assert!(out.text() == "0" || out.text().is_empty(), "{destination}: {out:?}");
            if is_ours() {
                assert_ne!(out.code, 0, "{destination}");
            }
            sentinel.assert_untouched(&destination);
        }
    }
}
