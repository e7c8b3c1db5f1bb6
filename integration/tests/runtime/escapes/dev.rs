//! An image's own `/dev`, where the configuration mounts nothing on it: symlinks in place of it, or in it.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use ketch_integration::Bundle;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::json;

use super::sentinel::{SECRET, Sentinel};
use super::{start_with_terminal, with_terminal, without_dev};
use crate::{is_ours, shell};

/// Symlinks from the container's root to the sentinel.
fn ways_out(sentinel: &Sentinel) -> [PathBuf; 3] {
    let path = sentinel.path();
    let up = "../".repeat(16);
    let below_root = path.strip_prefix("/").expect("absolute");
    [path.to_owned(), PathBuf::from(&up).join(below_root), PathBuf::from("/proc/self/root").join(below_root)]
}

fn run_each_way(bundle: &Bundle, terminal: bool) -> i32 {
    if terminal { start_with_terminal(bundle).code } else { bundle.run().code }
}

/// CVE-2026-41579, CVE-2026-47766: `ptmx` of a host directory is removed, symlinks and nodes are made there.
#[test]
fn dev_is_a_symlink_to_the_host() {
    let sentinel = Sentinel::new();
    for way in ways_out(&sentinel) {
        for (terminal, read_only) in [(false, false), (false, true), (true, false), (true, true)] {
            let bundle =
                without_dev(shell("true")).edit(|config| config["root"]["readonly"] = json!(read_only));
            let bundle = if terminal { with_terminal(bundle) } else { bundle };
            fs::remove_dir(bundle.rootfs().join("dev")).expect("an empty directory");
            symlink(&way, bundle.rootfs().join("dev")).expect("a symlink");
            let code = run_each_way(&bundle, terminal);
            let case = format!("/dev → {}, terminal {terminal}", way.display());
            sentinel.assert_untouched(&case);
            // It is a path of the container's; through a /proc that is the container's own, to nowhere else.
            if is_ours() && !way.starts_with("/proc") {
                assert_eq!(code, 0, "{case}");
            }
        }
    }
}

/// CVE-2026-88264, and what else is made in `/dev`: one of its names is the symlink.
#[test]
fn a_name_in_dev_is_a_symlink_to_the_host() {
    let sentinel = Sentinel::new();
    for name in ["null", "zero", "ptmx", "pts", "console", "core", "fd"] {
        for way in ways_out(&sentinel) {
            for terminal in [false, true] {
                let bundle = without_dev(shell("true"))
                    .edit(|config| config["process"]["user"] = json!({"uid": 1000, "gid": 0}));
                let bundle = if terminal { with_terminal(bundle) } else { bundle };
                symlink(way.join(name), bundle.rootfs().join("dev").join(name)).expect("a symlink");
                run_each_way(&bundle, terminal);
                sentinel.assert_untouched(&format!("/dev/{name} → {}, terminal {terminal}", way.display()));
            }
        }
    }
}

/// CVE-2026-88264, CVE-2025-52565: the terminal is bound on `/dev/console`. A symlink there must not put it over what the kernel
/// says of itself, before that is masked or made read-only.
#[test]
fn console_is_a_symlink_into_procfs() {
    for target in ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/self/attr/exec"] {
        for read_only in [false, true] {
            let out = tempfile::tempdir().expect("a directory");
            let bundle = with_terminal(without_dev(shell("grep devpts /proc/self/mountinfo > /out/mounts")))
                .bind(out.path(), "/out", "")
                .edit(|config| config["root"]["readonly"] = json!(read_only));
            symlink(target, bundle.rootfs().join("dev/console")).expect("a symlink");
            let code = start_with_terminal(&bundle).code;
            if code == 0 {
                wait(&bundle);
            }
            let mounts = fs::read_to_string(out.path().join("mounts")).unwrap_or_default();
            assert!(!mounts.contains(" /proc/"), "{target}: {mounts}");
            if is_ours() {
                assert_ne!(code, 0, "{target}");
            }
        }
    }
}

/// Until the container has ended.
fn wait(bundle: &Bundle) {
    let pid = bundle.state()["pid"].as_i64().unwrap_or_default();
    if let Ok(init) = ketch_sys::pidfd::open(i32::try_from(pid).expect("a pid")) {
        let mut ends = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut ends, 60_000_u16), Ok(1), "it ends");
    }
}

/// CVE-2026-88265: streams that are the null device are replaced by the container's own, opened by root and given to the
/// program's user. A file that only root may open must not come in by that way.
#[test]
fn null_is_a_symlink_to_a_file_of_the_hosts() {
    let sentinel = Sentinel::new();
    for mount in ["rw", "ro"] {
        let script = "cat <&0; ( echo x >&0 ); ( echo x >&1 ); id -u >&2";
        let bundle = without_dev(shell(script)).bind(sentinel.path(), "/host", mount).edit(|config| {
            config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            config["process"]["capabilities"] = json!({});
            config["linux"]["devices"] = json!([]);
        });
        symlink("/host/passwd", bundle.rootfs().join("dev/null")).expect("a symlink");
        let out = bundle.run();
        assert!(!out.stdout.contains(SECRET.trim()), "{out:?}");
        sentinel.assert_untouched("/dev/null → a file");
    }
}

/// CVE-2025-52565: a terminal is made in a devpts, and what only looks like one is refused.
#[test]
fn a_devpts_of_the_images_own() {
    let sentinel = Sentinel::new();
    for stand_in in ["node", "file", "symlink", "fifo"] {
        let bundle = without_dev(shell("true")).edit(|config| config["process"]["terminal"] = json!(true));
        let pts = bundle.rootfs().join("dev/pts");
        fs::create_dir(&pts).expect("a directory");
        for name in ["ptmx", "0", "1"] {
            let path = pts.join(name);
            let mode = Mode::from_bits_truncate(0o666);
            match stand_in {
                "node" => mknod(&path, SFlag::S_IFCHR, mode, makedev(5, 2)).expect("a node"),
                "fifo" => mknod(&path, SFlag::S_IFIFO, mode, 0).expect("a FIFO"),
                "file" => fs::write(&path, "").expect("a file"),
                _ => symlink(sentinel.file("passwd"), &path).expect("a symlink"),
            }
        }
        let out = start_with_terminal(&bundle);
        assert_ne!(out.code, 0, "{stand_in}: {out:?}");
        sentinel.assert_untouched(stand_in);
    }
}

/// A node of the image's with another number or mode is not left as it is.
#[test]
fn a_node_of_the_images_own() {
    let bundle = without_dev(shell("stat -c '%t:%T %a' /dev/null"));
    let null = bundle.rootfs().join("dev/null");
    mknod(&null, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(1, 1)).expect("a node");
    assert!(!bundle.run().stdout.contains("1:1"), "/dev/mem as /dev/null");

    if !is_ours() {
        return;
    }
    fs::remove_file(&null).expect("it is there");
    mknod(&null, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(1, 3)).expect("a node");
    bundle.run().ok().assert_stdout("1:3 666");
    assert_eq!(fs::metadata(&null).expect("it is there").permissions().mode() & 0o7777, 0o666);
}
