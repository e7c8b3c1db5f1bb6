//! Attached clients: this binary again, so that each has standard streams of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use ketch_monitor::attach::{Outcome, connect, parse_detach_keys};
use ketch_monitor::{Config, lock, spawn};
use nix::sys::signal::Signal;

use crate::bundle::Bundle;

pub(crate) const PROGRAM: &str = "monitor-test-client";

/// Exit codes of a client that did not see the container's end.
pub(crate) const DETACHED: i32 = 200;
pub(crate) const LOST: i32 = 201;
pub(crate) const BROKEN_PIPE: i32 = 202;

/// The client process's `main`.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut next = || arguments.next().expect("an argument");
    match next().as_str() {
        "start-and-die" => start_and_die(&serde_json::from_str(&next()).unwrap()),
        "attach" => {
            let (run_dir, flags, ready) = (next(), next(), next());
            attach(Path::new(&run_dir), &flags, ready.parse().unwrap())
        }
        other => panic!("{other}"),
    }
}

fn start_and_die(config: &Config) -> ExitCode {
    let lock = lock::try_take(&config.run_dir).unwrap().unwrap();
    let _pid =
        spawn::spawn(config, lock, spawn::Handed::default()).unwrap().created().unwrap().start().unwrap();
    nix::sys::signal::raise(Signal::SIGKILL).unwrap();
    ExitCode::SUCCESS
}

/// `flags`: i(n) o(ut) e(rr) t(erminal) p(roxy) d(etach keys).
fn attach(run_dir: &Path, flags: &str, ready: i32) -> ExitCode {
    let has = |flag| flags.contains(flag);
    let options = ketch_monitor::attach::Options {
        stdin: has('i'),
        stdout: has('o'),
        stderr: has('e'),
        terminal: has('t'),
        sig_proxy: has('p'),
        detach_keys: parse_detach_keys(if has('d') { "ctrl-p,ctrl-q" } else { "" }).unwrap(),
    };
    let session = connect(run_dir, options).unwrap();
    File::from(ketch_sys::inherit::take(ready).unwrap()).write_all(b"!").unwrap();
    let code = match session.run() {
        Ok(Outcome::Exited(code)) => code,
        Ok(Outcome::Detached) => DETACHED,
        Ok(Outcome::Lost) => LOST,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => BROKEN_PIPE,
        Err(error) => panic!("{error}"),
    };
    ExitCode::from(code as u8)
}

pub(crate) struct Client {
    pub(crate) child: Child,
}

impl Client {
    /// Attaches with pipes; returns once connected.
    pub(crate) fn attach(bundle: &Bundle, flags: &str) -> Client {
        Client::with(bundle, flags, [Stdio::piped(), Stdio::piped(), Stdio::piped()])
    }

    pub(crate) fn with(bundle: &Bundle, flags: &str, [stdin, stdout, stderr]: [Stdio; 3]) -> Client {
        let (mut ready, theirs) = std::io::pipe().unwrap();
        // Not close-on-exec, under a number that the client is told.
        let theirs: OwnedFd = nix::unistd::dup(&theirs).unwrap();
        let run_dir: PathBuf = bundle.config.run_dir.clone();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg0(PROGRAM).arg("attach").arg(run_dir).arg(flags).arg(theirs.as_raw_fd().to_string());
        let child = command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap();
        drop((command, theirs));
        ready.read_exact(&mut [0]).expect("the client connects");
        Client { child }
    }

    pub(crate) fn input(&mut self, data: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(data).unwrap();
    }

    pub(crate) fn end_input(&mut self) {
        self.child.stdin = None;
    }

    /// The next line of its stdout.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap() == 1 {
            line.push(byte[0]);
            if byte[0] == b'\n' {
                break;
            }
        }
        String::from_utf8(line).unwrap()
    }

    /// Its exit code, stdout and stderr.
    pub(crate) fn end(self) -> (i32, String, String) {
        let output = self.child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().expect("it exits by itself"), text(output.stdout), text(output.stderr))
    }
}

/// Both outputs of a container, through one client.
pub(crate) fn output(bundle: &Bundle) -> std::io::PipeReader {
    let (reader, writer) = std::io::pipe().unwrap();
    let copy = writer.try_clone().unwrap();
    Client::with(bundle, "oe", [Stdio::null(), writer.into(), copy.into()]);
    reader
}
