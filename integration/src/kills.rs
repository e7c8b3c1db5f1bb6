//! `kill -9` of whatever works for an engine.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Engine, leftovers};

/// A small generator (xorshift64): a failing run can be repeated with its seed.
#[derive(Debug)]
pub struct Random {
    pub seed: u64,
    state: u64,
}

impl Random {
    /// `KETCH_TEST_SEED` repeats a failed run's choices.
    pub fn from_environment() -> Random {
        let given = std::env::var("KETCH_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or(u64::from(std::process::id()) + 1);
        Random { seed, state: seed }
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % n
    }
}

/// Starts a command, lets it run for less than `longest`, and kills a random party of it: the command itself, all monitors
/// or all inits. Returns what it has done, for messages. Any moment is as good as another, however fast the machine is.
pub fn strike(engine: &Engine, line: &str, longest: Duration, random: &mut Random) -> String {
    let mut command = engine.command();
    command.args(line.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = command.spawn().expect("the engine can be run");
    let delay = Duration::from_micros(random.below(longest.as_micros() as u64));
    std::thread::sleep(delay);
    let victim = random.below(3);
    match victim {
        0 => client.kill().expect("a child of our own"),
        1 => monitors(engine.dir()).into_iter().for_each(end),
        _ => inits(engine.dir()).into_iter().for_each(end),
    }
    client.wait().expect("a child of our own");
    format!("`{line}`, {} killed after {delay:?}", ["client", "monitors", "inits"][victim as usize])
}

/// Monitors of an engine below `dir`.
pub fn monitors(dir: &Path) -> Vec<i32> {
    let is_monitor = |pid: i32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"ketch-monitor"))
    };
    leftovers::holders(dir).into_iter().map(|(pid, _)| pid).filter(|pid| is_monitor(*pid)).collect()
}

/// The first process of each container that has a monitor.
pub fn inits(dir: &Path) -> Vec<i32> {
    monitors(dir).into_iter().flat_map(children).collect()
}

fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

pub fn end(pid: i32) {
    // It may have ended by itself meanwhile.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}
