//! The monitor against the real kernel: each test starts this binary again as a monitor, and as attached
//! clients where it needs some. Needs root and /bin/busybox (package busybox-static).

#![expect(clippy::print_stderr, reason = "the harness reports there")]

mod attach;
mod bundle;
mod client;
mod lifecycle;
mod logs;

use std::process::ExitCode;

use ketch_monitor::exit::Exit;
use ketch_monitor::{Config, Hooks, PROGRAM};

type Test = (&'static str, fn());

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    match arguments.next().as_deref() {
        Some(PROGRAM) => {
            return ketch_monitor::run(Hooks {
                begun: |_| {},
                cleanup,
                abandoned: cleanup,
                ended: |_, _| {},
            });
        }
        Some(client::PROGRAM) => return client::run(arguments),
        _ => {}
    }
    let tests: Vec<&Test> = [lifecycle::TESTS, logs::TESTS, attach::TESTS].into_iter().flatten().collect();
    // cargo test's own flags are for the usual harness.
    let wanted: Vec<String> = arguments.filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = Vec::new();
    for (name, test) in tests {
        if wanted.first().is_some_and(|only| only == name) {
            test();
            return ExitCode::SUCCESS;
        }
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            eprint!("test {name} ... ");
            // A process a test: a panic ends it, and what it inherits and leaves is its own.
            let program = std::env::current_exe().expect("/proc is mounted");
            let status =
                std::process::Command::new(program).arg(name).status().expect("a test can be started");
            eprintln!("{}", if status.success() { "ok" } else { "FAILED" });
            if !status.success() {
                failed.push(*name);
            }
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("failed: {}", failed.join(" "));
    ExitCode::FAILURE
}

/// The engine's part. What a test wants to know of it is left in the container's directory.
fn cleanup(config: &Config, exit: &Exit) {
    let text = serde_json::to_vec(exit).expect("an exit record is JSON");
    std::fs::write(config.dir.join("cleanup.json"), text).expect("the container's directory is there");
}
