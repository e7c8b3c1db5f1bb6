//! Finding the programs under test, and running them.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Output;

/// The engine under test: `$KETCH_TEST_ENGINE`, else the `ketch` built beside this test.
pub fn engine() -> PathBuf {
    subject("KETCH_TEST_ENGINE", "ketch")
}

/// The runtime under test: `$KETCH_TEST_RUNTIME`, else the `ketchrun` built beside this test.
pub fn runtime() -> PathBuf {
    subject("KETCH_TEST_RUNTIME", "ketchrun")
}

fn subject(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    // target/<triple>/<profile>/deps/<test> → target/<triple>/<profile>/<name>
    let test = std::env::current_exe().expect("a test has a path");
    let path = test.ancestors().nth(2).expect("a test lies two directories deep").join(name);
    assert!(path.exists(), "{} is missing: build it first (cargo build --workspace)", path.display());
    path
}

/// A static busybox of the host, for root file systems.
pub fn busybox() -> PathBuf {
    ["/bin/busybox", "/usr/bin/busybox"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
        .expect("no busybox: apt-get install busybox-static")
}

/// Runs `program` to its end, with empty standard input.
pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: I) -> Output {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    finish(&mut command)
}

/// Runs a prepared command to its end.
pub fn finish(command: &mut Command) -> Output {
    let text = format!("{command:?}");
    let output = command.output().unwrap_or_else(|e| panic!("cannot run {text}: {e}"));
    Output::new(text, &output)
}
