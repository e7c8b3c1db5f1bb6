//! `kill -9` of the client, the monitor or init at random moments: the next command reports the truth, `rm -f` works,
//! and nothing is left.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ketch_integration::Engine;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ROUNDS: u32 = 300;

/// A small generator (xorshift64): a failing run can be repeated with its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// `KETCH_TEST_SEED` repeats a failed run's choices.
#[test]
fn three_hundred_kills() {
    let seed = std::env::var("KETCH_TEST_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(u64::from(std::process::id()) + 1);
    let mut random = Random(seed);
    let engine = Engine::with_busybox();
    for round in 0..ROUNDS {
        let scene = one_round(&engine, &mut random);
        let found = truth(&engine);
        assert!(found.is_empty(), "round {round} ({scene}), seed {seed}: {found:#?}");
        let left = engine.wipe();
        assert!(left.is_empty(), "round {round} ({scene}), seed {seed}: left behind {left:#?}");
    }
}

/// Starts an operation, waits a random moment, kills a random party of it.
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
    let mut command = engine.command();
    command.args(line.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    let delay = Duration::from_micros(random.below(15_000));
    std::thread::sleep(delay);
    let victim = random.below(3);
    match victim {
        0 => client.kill().unwrap(),
        1 => monitors(engine.dir()).into_iter().for_each(end),
        _ => inits(engine.dir()).into_iter().for_each(end),
    }
    client.wait().unwrap();
    format!("`{line}`, {} killed after {delay:?}", ["client", "monitor", "init"][victim as usize])
}

pub(crate) fn end(pid: i32) {
    // It may have ended by itself meanwhile.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// Monitors that hold a file of this engine open.
pub(crate) fn monitors(dir: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let open = fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
        let ours =
            || open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target.starts_with(dir));
        if line.starts_with(b"ketch-monitor") && ours() {
            found.push(pid);
        }
    }
    found
}

/// The first process of each container, as the runtime's state has it.
pub(crate) fn inits(dir: &Path) -> Vec<i32> {
    let states = fs::read_dir(dir.join("run/runtime")).into_iter().flatten().flatten();
    states
        .filter_map(|state| fs::read(state.path().join("state.json")).ok())
        .filter_map(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
        .filter_map(|state| i32::try_from(state["pid"].as_i64()?).ok())
        .filter(|pid| *pid > 0)
        .collect()
}

/// What `ps` and `inspect` say that is not so.
///
/// A process may end between a look and the next: only what is still wrong two seconds later is reported.
pub(crate) fn truth(engine: &Engine) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let wrong = wrong_now(engine);
        if wrong.is_empty() || Instant::now() > deadline {
            return wrong;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
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
