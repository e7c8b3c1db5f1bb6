//! `kill -9` of whatever keeps the user's namespaces: the next command finds them all the same, or makes new ones.

use std::process::Stdio;
use std::time::Duration;

use ketch_integration::Engine;
use ketch_integration::kills::{end, monitors};

#[test]
fn a_container_without_its_monitor() {
    let engine = Engine::of_user().load_busybox();
    engine.line("run -d --network none --name c busybox sleep 1000").ok();
    let before = engine.line("unshare readlink /proc/self/ns/user").ok();
    monitors(engine.dir()).into_iter().for_each(end);
    engine.line("unshare readlink /proc/self/ns/user").ok().assert_stdout(before.text());
    engine.line("exec c id -u").ok().assert_stdout("0");
    // A new container's monitor is in there as well.
    engine.line("run -d --network none --name d busybox sleep 1000").ok();
    engine.line("unshare readlink /proc/self/ns/user").ok().assert_stdout(before.text());
    engine.line("rm -f -t 0 c").ok();
    engine.line("exec d true").ok();
}

#[test]
fn kills_at_any_moment() {
    let engine = Engine::of_user().load_busybox();
    for round in 0..40u64 {
        let lines = [
            "run -d --network none --name c busybox sleep 1000",
            "run --rm --network none --name c busybox true",
        ];
        let mut command = engine.command();
        command.args(lines[round as usize % 2].split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
        let mut client = command.spawn().unwrap();
        // Spread over what such a command takes; where it hits is all the same.
        std::thread::sleep(Duration::from_micros(round * 700));
        if round % 3 == 0 {
            monitors(engine.dir()).into_iter().for_each(end);
        }
        client.kill().unwrap();
        client.wait().unwrap();
        let listed = engine.line("ps -a").ok();
        assert_eq!(listed.stderr, "", "round {round}");
        let left = engine.wipe();
        assert!(left.is_empty(), "round {round}: left behind {left:#?}");
    }
}
