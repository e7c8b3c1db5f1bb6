//! An engine with directories of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{ImageBuilder, Output, leftovers, program};

/// `ketch` (or a peer) with its own `--root` and `--runroot`.
///
/// On drop every container is removed by force, and anything left of them fails the test.
#[derive(Debug)]
pub struct Engine {
    dir: TempDir,
}

impl Engine {
    pub fn new() -> Engine {
        let dir = tempfile::Builder::new()
            .prefix("ketch-engine-")
            .tempdir_in("/var/tmp")
            .expect("/var/tmp is writable");
        Engine { dir }
    }

    /// An engine with the busybox image, named `busybox`, in its store.
    pub fn with_busybox() -> Engine {
        let engine = Engine::new();
        let archive = engine.path("busybox.tar");
        ImageBuilder::busybox().name("docker.io/library/busybox:latest").docker_archive(&archive);
        engine.run(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), archive.as_os_str()]).ok();
        engine
    }

    /// A path in this engine's scratch directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The engine with its directories set, for more arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program::engine());
        command
            .arg("--root")
            .arg(self.path("root"))
            .arg("--runroot")
            .arg(self.path("run"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        program::finish(self.command().args(args))
    }

    /// The same, from one line split at spaces.
    pub fn line(&self, line: &str) -> Output {
        self.run(line.split_whitespace())
    }

    /// Returns when the container has written `text`: that it is ready, say.
    #[track_caller]
    pub fn wait_for_log(&self, name: &str, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.run(["logs", name]).stdout.contains(text) {
            assert!(
                Instant::now() < deadline,
                "{name} does not write {text:?}: {:#?}",
                self.run(["logs", name])
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Full ids of all containers.
    pub fn ids(&self) -> Vec<String> {
        self.line("ps -a -q --no-trunc").stdout.split_whitespace().map(str::to_owned).collect()
    }

    /// Removes all containers by force and lists what is left of them.
    pub fn wipe(&self) -> Vec<String> {
        let ids = self.ids();
        let mut left = Vec::new();
        let removal = self.line("rm -f -a -t 0");
        if removal.code != 0 {
            left.push(format!("{removal:#?}"));
        }
        left.extend(leftovers::find(self.dir.path(), &ids));
        for part in ["root/containers", "run/containers", "run/runtime", "root/tmp"] {
            let entries = fs::read_dir(self.path(part)).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| format!("directory {}", entry.path().display())));
        }
        left
    }
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let left = self.wipe();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:#?}");
        }
    }
}
