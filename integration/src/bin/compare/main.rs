//! Runs the same command lines on ketch and on podman, and compares exit codes, stdout and stderr.
//!
//! Runs in the peers' root: `hack/compare` builds, enters it and starts this.

#![forbid(unsafe_code)]
// A program whose output is its table.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod engine;
mod explained;
mod normal;
mod scenarios;
mod verdict;

use std::process::ExitCode;

use crate::engine::Engine;
use crate::verdict::{Tally, Verdict};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [ketch, wanted @ ..] = args.as_slice() else {
        eprintln!("usage: compare KETCH [SCENARIO]…   (VERBOSE=1 prints the streams of all lines)");
        return ExitCode::from(2);
    };
    let verbose = std::env::var_os("VERBOSE").is_some();
    let dir = tempfile::Builder::new().prefix("ketch-compare-").tempdir_in("/var/tmp");
    let dir = dir.expect("/var/tmp is writable");
    let ours = Engine::new(ketch, dir.path().join("ketch"));
    let theirs = Engine::new("podman", dir.path().join("podman"));

    let mut tally = Tally::default();
    for scenario in scenarios::all() {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == scenario.name) {
            continue;
        }
        let (ours, theirs) = std::thread::scope(|scope| {
            let ours = scope.spawn(|| ours.play(scenario));
            let theirs = theirs.play(scenario);
            (ours.join().expect("a panic has printed its reason"), theirs)
        });
        for (line, (ours, theirs)) in scenario.lines.iter().zip(ours.iter().zip(&theirs)) {
            let verdict = Verdict::of(scenario.name, line, ours, theirs);
            verdict.print(scenario.name, line, ours, theirs, verbose);
            tally.add(&verdict);
        }
    }
    theirs.reset();
    println!("\n{tally}");
    if tally.differs() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
