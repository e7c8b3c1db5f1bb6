//! Timing whole commands, interleaved so that all subjects meet the same weather.

use std::process::{Command, Stdio};
use std::time::Instant;

/// A named command line; `prepare` and `restore` run untimed around it.
pub(crate) struct Work {
    pub(crate) subject: String,
    pub(crate) prepare: Vec<Vec<String>>,
    pub(crate) timed: Vec<Vec<String>>,
    pub(crate) restore: Vec<Vec<String>>,
}

/// Milliseconds of each round, a row a work.
pub(crate) fn interleaved(works: &[Work], rounds: usize) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(rounds); works.len()];
    // The first round warms caches and is not counted.
    for round in 0..=rounds {
        for (work, times) in works.iter().zip(&mut times) {
            run_all(&work.subject, &work.prepare);
            let begin = Instant::now();
            run_all(&work.subject, &work.timed);
            let elapsed = begin.elapsed().as_secs_f64() * 1e3;
            run_all(&work.subject, &work.restore);
            if round > 0 {
                times.push(elapsed);
            }
        }
    }
    times
}

fn run_all(subject: &str, commands: &[Vec<String>]) {
    for command in commands {
        run(subject, command);
    }
}

/// Runs to the end; a failure ends the bench: a number for work that was not done is worse than none.
pub(crate) fn run(subject: &str, command: &[String]) {
    let status = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|e| panic!("{subject}: cannot run {command:?}: {e}"));
    assert!(status.success(), "{subject}: {command:?} ended with {status}");
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
