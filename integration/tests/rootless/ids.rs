//! Which ids of the host the containers' are, and what becomes of images that have more.

use std::fs;
use std::os::unix::fs::MetadataExt;

use ketch_integration::user::first_subordinate;
use ketch_integration::{Engine, ImageBuilder};

#[test]
fn root_is_the_user_and_others_are_its_subordinates() {
    let engine = Engine::of_user().load_busybox();
    let shared = engine.directory("shared");
    let uid = fs::metadata(&shared).unwrap().uid();
    let volume = format!("{}:/shared", shared.display());
    let script = "echo x >/shared/root; chmod 777 /shared; su kim -c 'id -u; echo x >/shared/kim' 2>&1";
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        "--cap-add",
        "all",
        "-v",
        &volume,
        "busybox",
        "sh",
        "-c",
        script,
    ];
    engine.run(run).ok().assert_stdout("1000");
    let owner = |name: &str| fs::metadata(shared.join(name)).unwrap().uid();
    assert_eq!((owner("root"), owner("kim")), (uid, first_subordinate() + 999));
}

/// The overlay of a user reads its attributes under another name, which the layers must have been given.
#[test]
fn layers_hide_what_is_below() {
    let engine = Engine::of_user();
    let lower: &[(&str, u32, &[u8])] = &[("dir/old", 0o644, b"old"), ("gone", 0o644, b"gone")];
    let upper: &[(&str, u32, &[u8])] =
        &[("dir/.wh..wh..opq", 0o644, b""), ("dir/new", 0o644, b"new"), (".wh.gone", 0o644, b"")];
    engine.load(&ImageBuilder::busybox().name("layers").files(lower).files(upper));
    engine.line("run --rm --network none layers ls /dir").ok().assert_stdout("new");
    engine.line("run --rm --network none layers test ! -e /gone").ok();
    // So does what the container hides itself.
    let script = "rm -r /dir && mkdir /dir && ls /dir && mv /usr /moved && ls /moved";
    engine.run(["run", "--rm", "--network", "none", "layers", "sh", "-c", script]).ok().assert_stdout("bin");
}

#[test]
fn ids_beyond_the_range() {
    let engine = Engine::of_user().load_busybox();
    engine
        .line("run --rm --network none -u 2000000 busybox true")
        .assert_exit(126)
        .assert_stderr_has("not mapped");
}

#[test]
fn a_user_without_ranges() {
    let engine = Engine::of_user_without_ranges().load_busybox();
    let run = engine.line("run --rm --network none busybox cat /proc/self/uid_map").ok();
    run.clone().assert_stderr_has("no range in /etc/subuid");
    assert_eq!(run.text().split_whitespace().collect::<Vec<_>>(), ["0", "54321", "1"]);
    engine
        .line("run --rm --network none -u kim busybox true")
        .assert_exit(126)
        .assert_stderr_has("groups [1000, 2000]");

    // The second command goes into the namespaces of the first, and has nothing to warn of.
    engine.line("run -d --network none --name c busybox sleep 1000").ok();
    let exec = engine.line("exec c id -u").ok().assert_stdout("0");
    assert_eq!(exec.stderr, "");

    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_uid(33);
    tar.append_data(&mut header, "etc/shadow", &b""[..]).unwrap();
    let archive = engine.path("owned.tar");
    ImageBuilder::busybox().name("owned").layer(tar.into_inner().unwrap()).docker_archive(&archive);
    let load = engine.run(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), archive.as_os_str()]);
    load.assert_exit(125).assert_stderr_has("etc/shadow").assert_stderr_has("/etc/subuid");
}
