//! `mounts`: options, sources and destinations.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::{is_ours, run_on_host, shell};

/// The options of the mount at `/data`, as the kernel has them.
const OPTIONS: &str = "awk '$5 == \"/data\" { print $6 }' /proc/self/mountinfo";

#[test]
fn options_of_a_bind() {
    let dir = tempfile::tempdir().expect("a directory");
    for (options, has) in [
        ("ro", "ro"),
        ("nosuid", "nosuid"),
        ("nodev", "nodev"),
        ("noexec", "noexec"),
        ("noatime", "noatime"),
        ("nodiratime", "nodiratime"),
        ("ro,nosuid,nodev,noexec", "ro,nosuid,nodev,noexec"),
        ("ro,rw", "rw"),
        ("noexec,exec,ro", "ro"),
    ] {
        let out = shell(OPTIONS).bind(dir.path(), "/data", options).run().ok();
        let words: Vec<&str> = out.text().split(',').collect();
        for word in has.split(',') {
            assert!(words.contains(&word), "{options}: {out:?}");
        }
        assert_eq!(words.contains(&"noexec"), has.contains("noexec"), "{options}: {out:?}");
    }
}

#[test]
fn a_read_only_bind_rejects_writes() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "touch /data/x";
    shell(script)
        .bind(dir.path(), "/data", "ro")
        .run()
        .assert_exit(1)
        .assert_stderr_has("Read-only file system");
    shell(script).bind(dir.path(), "/data", "rw").run().ok();
    assert!(dir.path().join("x").exists());
}

/// runtime-spec, mounts: `ro` is for the mount itself, `rro` for those below it too.
#[test]
fn recursive_read_only() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("below")).expect("a directory");
    let host = format!("mount -t tmpfs none {}/below; exec \"$@\"", dir.path().display());
    for (options, code) in [("rbind,ro", 0), ("rbind,rro", 1)] {
        let bundle =
            shell("! touch /data/x 2> /dev/null && touch /data/below/x").bind(dir.path(), "/data", options);
        run_on_host(&bundle, "private", &host).assert_exit(code);
    }
}

#[test]
fn mountpoints_are_made() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "hello\n").expect("a file");
    shell("cat /etc/deep/er/file; ls /new/dir; stat -c %a /new /new/dir")
        .bind(&file, "/etc/deep/er/file", "")
        .edit(|config| {
            let tmpfs = json!({"destination": "/new/dir", "type": "tmpfs", "source": "none", "options": ["mode=700"]});
            config["mounts"].as_array_mut().expect("a list").push(tmpfs);
        })
        .run()
        .ok()
        .assert_stdout("hello\n755\n700");
}

/// The mountpoints are made before the root becomes read-only.
#[test]
fn mountpoints_are_made_in_a_read_only_root() {
    let dir = tempfile::tempdir().expect("a directory");
    let bundle = shell("touch /new/dir/x && ! touch /new/x").bind(dir.path(), "/new/dir", "");
    bundle.edit(|config| config["root"]["readonly"] = json!(true)).run().ok();
    assert!(dir.path().join("x").exists());
}

#[test]
fn a_tmpfs_has_its_options() {
    let tmpfs = json!({
        "destination": "/t", "type": "tmpfs", "source": "scratch",
        "options": ["nosuid", "size=64k", "mode=1750", "uid=0", "gid=6", "nr_inodes=4"],
    });
    shell(
        "stat -c '%a %u %g' /t; dd if=/dev/zero of=/t/x bs=1k count=128 2>&1 | grep -o 'No space'; rm /t/x
         touch /t/1 /t/2 /t/3 /t/4 2>&1 | grep -o 'No space'; grep ' /t ' /proc/self/mountinfo | grep -c 'nosuid.*scratch'",
    )
    .edit(|config| config["mounts"].as_array_mut().expect("a list").push(tmpfs))
    .run()
    .ok()
    .assert_stdout("1750 0 6\nNo space\nNo space\n1");
}

#[test]
fn tmpcopyup_starts_with_what_it_hides() {
    let tmpfs = json!({
        "destination": "/stuff", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "nosuid"],
    });
    let bundle = shell(
        "cat /stuff/file /stuff/link /stuff/sub/deep; stat -c %a:%g /stuff /stuff/sub /stuff/file
         readlink /stuff/link; echo new > /stuff/file",
    )
    .edit(|config| config["mounts"].as_array_mut().expect("a list").push(tmpfs));
    let stuff = bundle.rootfs().join("stuff");
    fs::create_dir_all(stuff.join("sub")).expect("directories");
    fs::write(stuff.join("file"), "old\n").expect("a file");
    fs::write(stuff.join("sub/deep"), "deep\n").expect("a file");
    symlink("file", stuff.join("link")).expect("a symlink");
    for (path, mode) in [("", 0o751), ("sub", 0o700), ("file", 0o640)] {
        fs::set_permissions(stuff.join(path), fs::Permissions::from_mode(mode)).expect("chmod");
    }
    std::os::unix::fs::chown(stuff.join("file"), None, Some(7)).expect("chown");
    bundle.run().ok().assert_stdout("old\nold\ndeep\n751:0\n700:0\n640:7\nfile");
    assert_eq!(fs::read_to_string(stuff.join("file")).expect("the file"), "old\n");
}

#[test]
fn later_mounts_lie_on_earlier_ones() {
    let (one, two) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    fs::write(one.path().join("name"), "one").expect("a file");
    fs::write(two.path().join("name"), "two").expect("a file");
    shell("cat /a/name /a/sub/name")
        .bind(two.path(), "/a", "")
        .bind(one.path(), "/a", "")
        .bind(two.path(), "/a/sub", "")
        .run()
        .ok()
        .assert_stdout("onetwo");
}

#[test]
fn the_containers_own_cgroup_is_mounted() {
    let bundle = shell(
        "d=/sys/fs/cgroup; [ -e $d/cgroup.procs ] || d=$d/pids; grep -q '^1$' $d/cgroup.procs && echo own
         mkdir $d/new 2>&1 | grep -o 'Read-only'",
    );
    bundle.run().ok().assert_stdout("own\nRead-only");
}

/// crun's options, of which podman makes use.
#[test]
fn symlinks_at_the_ends_of_a_bind() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("file"), "text").expect("a file");
    symlink("file", dir.path().join("link")).expect("a symlink");
    for (source, options, said) in [
        ("link", "dest-nofollow", "text"),
        ("link", "src-nofollow,dest-nofollow", "file"),
        ("file", "src-nofollow,dest-nofollow", "text"),
        ("link", "copy-symlink", "file"),
        ("file", "copy-symlink,dest-nofollow", "text"),
    ] {
        let bundle = shell("readlink /there || cat /there").bind(&dir.path().join(source), "/there", options);
        if options.contains("dest") {
            symlink("nowhere", bundle.rootfs().join("there")).expect("a symlink");
        }
        let out = bundle.run();
        // runc has none of them.
        if is_ours() {
            out.ok().assert_stdout(said);
            assert!(!bundle.rootfs().join("nowhere").exists(), "{options}");
        }
    }
}

#[test]
fn a_symlink_is_not_copied_over_another() {
    let dir = tempfile::tempdir().expect("a directory");
    symlink("file", dir.path().join("link")).expect("a symlink");
    for (there, code) in [("file", 0), ("other", 1)] {
        let bundle = shell("readlink /there").bind(&dir.path().join("link"), "/there", "copy-symlink");
        symlink(there, bundle.rootfs().join("there")).expect("a symlink");
        let out = bundle.run();
        if is_ours() {
            out.assert_exit(code);
        }
    }
}

/// What no mount has an option for is refused with its name.
#[test]
fn an_option_that_nobody_knows() {
    for (kind, option) in [("tmpfs", "nonesuch=1"), ("tmpfs", "size=many"), ("proc", "nonesuch")] {
        let at = if kind == "proc" { "/proc" } else { "/t" };
        let mount = json!({"destination": at, "type": kind, "source": kind, "options": [option]});
        let bundle = shell("true").edit(|config| {
            let mounts = config["mounts"].as_array_mut().expect("a list");
            mounts.retain(|mount| mount["destination"] != at);
            mounts.insert(0, mount);
        });
        let out = bundle.run().assert_exit(1).assert_stderr_has(at);
        if is_ours() {
            out.assert_one_error_line().assert_stderr_has(option.split('=').next().expect("a word"));
        }
    }
}
