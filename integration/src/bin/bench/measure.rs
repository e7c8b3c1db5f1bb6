//! Timing whole commands, interleaved so that all subjects meet the same weather.

use std::os::fd::AsFd;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A named command line; `prepare` and `restore` run untimed around it.
pub(crate) struct Work {
    pub(crate) subject: String,
    pub(crate) prepare: Vec<Vec<String>>,
    pub(crate) timed: Vec<Vec<String>>,
    pub(crate) restore: Vec<Vec<String>>,
}

/// Longer than any command here takes: youki's `run` misses the end of a short container now and then, and waits for ever.
const PATIENCE: Duration = Duration::from_secs(90);

/// Milliseconds of each round, a row a work. A work that fails or hangs has NaN from then on.
pub(crate) fn interleaved(works: &[Work], rounds: usize) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(rounds); works.len()];
    let mut failed = vec![false; works.len()];
    // The first round warms caches and is not counted.
    for round in 0..=rounds {
        for (index, work) in works.iter().enumerate() {
            if failed[index] {
                continue;
            }
            match once(work) {
                Ok(elapsed) if round > 0 => times[index].push(elapsed),
                Ok(_) => {}
                Err(reason) => {
                    eprintln!("{}: {reason}", work.subject);
                    failed[index] = true;
                    times[index] = vec![f64::NAN];
                }
            }
        }
    }
    times
}

fn once(work: &Work) -> Result<f64, String> {
    let all = |commands: &[Vec<String>]| commands.iter().try_for_each(|command| attempt(command));
    let timed = all(&work.prepare).and_then(|()| {
        let begin = Instant::now();
        all(&work.timed)?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    });
    // After a failure too: the next work wants the same names.
    let restored = all(&work.restore);
    let elapsed = timed?;
    restored.map(|()| elapsed)
}

/// Runs to the end, or kills it when it takes longer than anything here does.
fn attempt(command: &[String]) -> Result<(), String> {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("cannot run {command:?}: {e}"))?;
    let pid = i32::try_from(child.id()).expect("a pid fits");
    let pidfd = ketch_sys::pidfd::open(pid).map_err(|e| format!("cannot watch {command:?}: {e}"))?;
    let patience = PollTimeout::try_from(PATIENCE).expect("some seconds fit");
    let ended = poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], patience);
    if ended != Ok(1) {
        // It is ours and not yet waited for, so this is still its number.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("{command:?} hangs"));
    }
    match child.wait() {
        Ok(status) if ExitStatus::success(&status) => Ok(()),
        other => Err(format!("{command:?} ended with {other:?}")),
    }
}

/// Runs what the bench cannot go on without.
pub(crate) fn run(subject: &str, command: &[String]) {
    attempt(command).unwrap_or_else(|reason| panic!("{subject}: {reason}"));
}

/// Standard output of a command.
pub(crate) fn output(command: &[String]) -> String {
    let output = Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Splits at spaces.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median of the ratios of each round, not the ratio of the medians.
pub(crate) fn ratio(values: &[f64], base: &[f64]) -> f64 {
    median(&values.iter().zip(base).map(|(value, base)| value / base).collect::<Vec<_>>())
}

/// One line that says where the numbers come from.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo").lines().next().unwrap_or_default().replace("MemTotal:", "");
    format!(
        "machine: {cores} × {}, {} memory, Linux {}",
        model.trim_start_matches([' ', '\t', ':']),
        memory.trim(),
        read("/proc/sys/kernel/osrelease").trim()
    )
}
