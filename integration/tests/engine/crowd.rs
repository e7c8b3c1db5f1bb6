//! Many containers and many clients at once.

use std::collections::HashSet;
use std::process::Stdio;

use ketch_integration::Engine;

/// 200 containers by 8 clients, with `ps` beside them.
#[test]
fn two_hundred_by_eight_clients() {
    let engine = Engine::with_busybox();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let engine = &engine;
                scope.spawn(move || {
                    for _ in 0..25 {
                        engine.line("run -d busybox sleep 1000").ok();
                        if client % 2 == 0 {
                            engine.line("ps -a").ok();
                        }
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
    });
    let names = engine.line("ps --format {{.Names}}").ok();
    let names: Vec<&str> = names.stdout.lines().collect();
    assert_eq!(names.len(), 200, "not all of them run");
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 200, "names are not unique");
    assert_eq!(engine.wipe(), Vec::<String>::new());
    assert_eq!(engine.ids(), Vec::<String>::new());
}

/// The first commands ever, eight at once: all of them find, or make, the same state.
#[test]
fn first_commands() {
    for _ in 0..15 {
        let engine = Engine::new();
        let clients: Vec<_> = (0..8)
            .map(|_| engine.command().args(["ps", "-a"]).stdout(Stdio::null()).spawn().unwrap())
            .collect();
        for mut client in clients {
            assert!(client.wait().unwrap().success());
        }
    }
}

/// One name, eight clients: one gets it.
#[test]
fn one_name_for_one_container() {
    let engine = Engine::with_busybox();
    for _ in 0..5 {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let mut command = engine.command();
                command.args(["run", "-d", "--name", "only", "busybox", "sleep", "1000"]);
                command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
            })
            .collect();
        let won = clients
            .into_iter()
            .map(|mut client| client.wait().unwrap())
            .filter(|status| status.success())
            .count();
        assert_eq!(won, 1);
        engine.line("rm -f -t 0 only").ok();
    }
}

/// Eight clients start, stop and remove the same container: every answer is a clear one, and the end is clean.
#[test]
fn contended_container() {
    let engine = Engine::with_busybox();
    engine.line("create --name shared busybox sleep 1000").ok();
    std::thread::scope(|scope| {
        for client in 0..8 {
            let engine = &engine;
            scope.spawn(move || {
                for _ in 0..10 {
                    let verb = ["start shared", "stop -t 0 shared", "kill shared", "ps -a"][client % 4];
                    let out = engine.line(verb);
                    assert!(out.stderr.lines().count() <= 1 && !out.stderr.contains("panicked"), "{out:#?}");
                }
            });
        }
    });
    engine.line("rm -f -t 0 shared").ok();
}
