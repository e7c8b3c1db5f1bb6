//! Many containers on one bridge at once, and parties that are killed.

use std::collections::HashSet;
use std::process::Stdio;

use ketch_integration::Engine;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// 8 clients × 25 containers, twice in a row, on a network that the first of them make.
#[test]
fn two_hundred_on_one_bridge() {
    let engine = Engine::with_busybox();
    for _ in 0..2 {
        std::thread::scope(|scope| {
            for client in 0..8 {
                let engine = &engine;
                scope.spawn(move || {
                    for number in 0..25 {
                        let port = format!("{}:80", 10_000 + client * 100 + number);
                        engine.run(["run", "-d", "-p", &port, "busybox", "sleep", "1000"]).ok();
                    }
                });
            }
        });
        let ids = engine.ids();
        assert_eq!(ids.len(), 200);
        let members = engine.line("network inspect ketch").ok().json()[0]["containers"].clone();
        let addresses: HashSet<String> = members
            .as_object()
            .unwrap()
            .values()
            .map(|member| member["interfaces"]["eth0"]["subnets"][0]["ipnet"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(addresses.len(), 200, "every one has an address of its own");
        assert_eq!(engine.netns().published().len(), 400, "IPv4 and IPv6 for each");
        assert_eq!(engine.wipe(), Vec::<String>::new());
    }
}

fn pid_of(engine: &Engine, name: &str) -> i32 {
    engine.run(["inspect", "--format", "{{.State.Pid}}", name]).ok().text().parse().unwrap()
}

/// The parent of a container's init.
fn monitor_of(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap()
}

fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

/// The monitor is killed, and init lives on: the addresses and ports stay its own. When it has ended as well, the next
/// one who wants them gets them.
#[test]
fn what_the_dead_hold_is_taken() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name old --ip 10.89.0.50 -p 8080:80 busybox sleep 1000").ok();
    let init = pid_of(&engine, "old");
    end(monitor_of(init));
    let taken = "requested ip address 10.89.0.50 is already allocated";
    engine.line("run --rm --ip 10.89.0.50 busybox true").assert_exit(126).assert_stderr_has(taken);
    engine
        .line("run --rm -p 8080:80 busybox true")
        .assert_exit(126)
        .assert_stderr_has("listen tcp4 :8080: bind: address already in use");
    end(init);
    engine.line("wait old");
    engine.line("run -d --name new --ip 10.89.0.50 -p 8080:80 busybox sleep 1000").ok();
    let published = engine.netns().published();
    assert!(published.iter().all(|port| port.contains(&*id_of(&engine, "new"))), "{published:#?}");
    // The old one comes back, and finds that they are somebody else's by now.
    engine.line("start old").assert_exit(125).assert_stderr_has("10.89.0.50 is already allocated");
    engine.line("rm -f -t 0 new").ok();
    engine.line("start old").ok();
}

fn id_of(engine: &Engine, name: &str) -> String {
    engine.run(["inspect", "--format", "{{.Id}}", name]).ok().text().to_owned()
}

/// Clients that are killed at many moments of a start: what they took is free in the end.
#[test]
fn killed_clients_leave_nothing() {
    let engine = Engine::with_busybox();
    engine.line("run --rm busybox true").ok();
    for moment in 0..40 {
        let mut command = engine.command();
        command.args([
            "run",
            "-d",
            "--name",
            "c",
            "--ip",
            "10.89.0.60",
            "-p",
            "8080:80",
            "busybox",
            "sleep",
            "1000",
        ]);
        let mut client = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(moment * 500));
        client.kill().unwrap();
        client.wait().unwrap();
        let left = engine.wipe();
        assert!(left.is_empty(), "killed after {} µs: {left:#?}", moment * 500);
        engine.line("run --rm --ip 10.89.0.60 -p 8080:80 busybox true").ok();
    }
}
