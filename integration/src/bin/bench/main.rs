//! Measures ketchrun beside crun, runc, youki and the floor, and ketch beside podman, on this machine in this run.
//!
//! Runs in the peers' root: `hack/bench` builds a release, enters it and starts this.

#![forbid(unsafe_code)]
// A program whose output is its tables.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod engine;
mod measure;
mod runtime;
mod table;

use std::path::PathBuf;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, command @ ..] = args.as_slice()
        && word == runtime::PEAK
    {
        return runtime::print_peak(command);
    }
    let [bin, wanted @ ..] = args.as_slice() else {
        eprintln!("usage: bench DIRECTORY-OF-BINARIES [runtime|engine]…   (ROUNDS, default 21)");
        std::process::exit(2);
    };
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(21);
    let bin = PathBuf::from(bin);
    let want = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    println!("{}", measure::machine());
    if want("runtime") {
        runtime::bench(&bin, rounds);
    }
    if want("engine") {
        engine::bench(&bin, rounds);
    }
}
