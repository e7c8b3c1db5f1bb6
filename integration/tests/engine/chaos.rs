//! `kill -9` of the client, the monitor or init at random moments: the next command reports the truth, `rm -f` works,
//! and nothing is left.

use std::fs;
use std::time::Duration;

use ketch_integration::Engine;
use ketch_integration::kills::{Random, strike};
use ketch_integration::wait::what_stays;

const ROUNDS: u32 = 300;

#[test]
fn three_hundred_kills() {
    let mut random = Random::from_environment();
    let engine = Engine::with_busybox();
    for round in 0..ROUNDS {
        let scene = one_round(&engine, &mut random);
        let about = format!("round {round} ({scene}), seed {}", random.seed);
        let found = truth(&engine);
        assert!(found.is_empty(), "{about}: {found:#?}");
        let left = engine.wipe();
        assert!(left.is_empty(), "{about}: left behind {left:#?}");
    }
}

/// An operation, and a kill in it.
fn one_round(engine: &Engine, random: &mut Random) -> String {
    let operation = random.below(4);
    if operation >= 2 {
        engine.line("run -d --name c busybox sleep 1000").ok();
    }
    let line = [
        "run -d --name c busybox sleep 1000",
        "run --rm --name c busybox sleep 0.01",
        "stop -t 0 c",
        "rm -f -t 0 c",
    ][operation as usize];
    strike(engine, line, Duration::from_millis(15), random)
}

/// What `ps` and `inspect` say that is not so.
///
/// A process may end between a look and the next: only what stays wrong is reported.
pub(crate) fn truth(engine: &Engine) -> Vec<String> {
    what_stays(|| wrong_now(engine))
}

fn wrong_now(engine: &Engine) -> Vec<String> {
    let mut wrong = Vec::new();
    let listed = engine.line("ps -a --format json");
    if listed.code != 0 || !listed.stderr.is_empty() {
        return vec![format!("{listed:#?}")];
    }
    for container in listed.json().as_array().unwrap() {
        let inspected = engine.run(["inspect", container["Id"].as_str().unwrap_or_default()]);
        if inspected.code != 0 {
            wrong.push(format!("{inspected:#?}"));
            continue;
        }
        let state = inspected.json()[0]["State"].clone();
        let pid = state["Pid"].as_i64().unwrap_or(0);
        let alive = pid > 0
            && fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
        if state["Running"].as_bool() != Some(alive) {
            wrong.push(format!("said to be {} with pid {pid}, alive: {alive}", state["Status"]));
        }
    }
    wrong
}
