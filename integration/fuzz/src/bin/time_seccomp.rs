//! How long a profile takes to be read and compiled: `time_seccomp PROFILE.json`, in the runtime's format.

use std::time::{Duration, Instant};

use ketch_runtime::seccomp::compile;
use ketch_runtime::spec::LinuxSeccomp;

const ROUNDS: usize = 2000;

/// The median of many.
fn time<T>(mut work: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

fn main() {
    let path = std::env::args().nth(1).expect("a profile in JSON, as in linux.seccomp of config.json");
    let text = std::fs::read(&path).expect("the profile can be read");
    let profile: LinuxSeccomp =
        serde_json::from_slice(&text).expect("the profile is in the runtime's format");
    let program = compile(&profile).expect("the profile compiles");
    let start = Instant::now();
    compile(&profile).expect("the profile compiles");
    let first = start.elapsed();
    println!("{} bytes of JSON, {} instructions", text.len(), program.len());
    println!("read: {:?}", time(|| serde_json::from_slice::<LinuxSeccomp>(&text)));
    println!("compiled: {:?} (first time {first:?})", time(|| compile(&profile)));
}
