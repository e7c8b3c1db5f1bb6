//! User namespaces of choice inside the user's own.

use std::fs;
use std::os::unix::fs::MetadataExt;

use ketch_integration::kills::{end, monitors};
use ketch_integration::user::first_subordinate;
use ketch_integration::{Engine, Output};

fn map(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn run(engine: &Engine, words: &str, script: &str) -> Output {
    let words = ["run", "--rm", "--network", "none"].into_iter().chain(words.split_whitespace());
    engine.run(words.chain(["busybox", "sh", "-c", script]))
}

/// The user is the same one inside, files of the image are root's, and what the user makes is the user's outside.
#[test]
fn keep_id() {
    let engine = Engine::of_user().load_busybox();
    let shared = engine.directory("shared");
    let user = fs::metadata(&shared).unwrap();
    let (uid, gid) = (user.uid(), user.gid());
    let volume = format!("--userns keep-id -v {}:/shared", shared.display());
    let script =
        "id -u; id -g; stat -c %u:%g / /bin/busybox /etc/hosts /shared; echo x >/shared/mine; whoami";
    let out = run(&engine, &volume, script).ok();
    assert_eq!(map(&out.stdout), format!("{uid} {gid} 0:0 0:0 0:0 {uid}:{gid} ketchtest"));
    assert_eq!(fs::metadata(shared.join("mine")).unwrap().uid(), uid);
    let script = "id -u; id -g; cat /proc/self/uid_map | head -n 2";
    let out = run(&engine, "--userns keep-id:uid=200,gid=210", script).ok();
    assert_eq!(map(&out.stdout), "200 210 0 1 200 200 0 1");
    // --user goes before.
    run(&engine, "--userns keep-id -u 0", "id -u; touch /new; stat -c %u /new").ok().assert_stdout("0\n0");
}

#[test]
fn other_modes() {
    let engine = Engine::of_user().load_busybox();
    let shared = engine.directory("shared");
    let volume = format!("-v {}:/shared", shared.display());
    let script = "cat /proc/self/uid_map; stat -c %u /bin/busybox /shared";
    let out = run(&engine, &format!("--userns nomap {volume}"), script).ok();
    assert_eq!(map(&out.stdout), "0 1 65536 0 65534");
    let out = run(&engine, "--uidmap 0:1:5000", "cat /proc/self/gid_map; stat -c %u /bin/busybox").ok();
    assert_eq!(map(&out.stdout), "0 1 5000 0");
    // A host's id by its own number, and the others around it.
    let first = first_subordinate();
    let out = run(&engine, &format!("--uidmap +0:@{first}:1 --gidmap 0:1:9"), "cat /proc/self/uid_map").ok();
    assert_eq!(map(&out.stdout), "0 1 1 2 2 65535");
    let out = run(&engine, "--userns auto", "cat /proc/self/uid_map; stat -c %u /bin/busybox").ok();
    assert_eq!(map(&out.stdout), "0 1 2001 0");
    engine.line("run --rm --network none --uidmap 0:1:1 busybox true").ok();
}

/// What was written is an image's all the same.
#[test]
fn a_whole_life() {
    let engine = Engine::of_user().load_busybox();
    engine.line("run -d --name c --network none --userns keep-id busybox sleep 1000").ok();
    engine
        .run([
            "exec",
            "-u",
            "0",
            "c",
            "sh",
            "-c",
            "rm /etc/group; touch /root-made; touch /kim; chown 1000 /kim",
        ])
        .ok();
    engine.line("diff c").ok().assert_stdout_has("A /root-made").assert_stdout_has("D /etc/group");
    engine.line("commit -q c snapshot").ok();
    let stat = "run --rm --network none snapshot stat -c %u:%g /root-made /kim";
    engine.line(stat).ok().assert_stdout("0:0\n1000:0");
    let stat = "run --rm --network none --userns nomap snapshot stat -c %u:%g /root-made /kim";
    engine.line(stat).ok().assert_stdout("0:0\n1000:0");
    let file = engine.directory("files").join("file");
    fs::write(&file, "text").unwrap();
    engine.run(["cp", file.to_str().unwrap(), "c:/copied"]).ok();
    engine.line("exec c cat /copied").ok().assert_stdout("text");
    engine.line("restart -t 0 c").ok();
    engine.line("exec c stat -c %u /root-made").ok().assert_stdout("0");
    engine.line("rm -f -t 0 c").ok();
    engine.line("rmi -f snapshot").ok();
    engine.line("rmi busybox").ok();
    // The layers' copies went with them.
    assert_eq!(fs::read_dir(engine.path("data/ketch/mapped")).unwrap().count(), 0);
}

/// Its own namespace is not the user's: who finds that container alone goes to those around it.
#[test]
fn a_container_without_its_monitor() {
    let engine = Engine::of_user().load_busybox();
    engine.line("run -d --network none --name c --userns keep-id busybox sleep 1000").ok();
    let before = engine.line("unshare readlink /proc/self/ns/user").ok();
    monitors(engine.dir()).into_iter().for_each(end);
    engine.line("unshare readlink /proc/self/ns/user").ok().assert_stdout(before.text());
    let inside = engine.line("exec c readlink /proc/self/ns/user").ok();
    assert_ne!(inside.text(), before.text());
}

#[test]
fn on_a_network_of_its_own() {
    let engine = Engine::of_user().load_busybox();
    let script = "ip link | grep -c UP; cat /proc/sys/net/ipv4/ping_group_range";
    let run = ["run", "--rm", "--userns", "keep-id", "busybox", "sh", "-c", script];
    let out = engine.run(run).ok();
    assert_eq!(map(&out.stdout), "2 0 0");
}
