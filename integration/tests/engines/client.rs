//! An engine's command line with the options that every call of it needs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ketch_integration::{ImageBuilder, Output, program};
use tempfile::TempDir;

/// The image of all scenarios.
pub(crate) const IMAGE: &str = "localhost/busybox:latest";

/// Counts in a file, for checkpoints: without a process of its own for each pause, since CRIU cannot take hold of one that
/// waits for a vfork(2).
pub(crate) const COUNT: &str =
    "mkfifo /tmp/never; n=0; while :; do n=$((n+1)); echo $n >/tmp/n; read -t 1 x <>/tmp/never; done";

/// A directory for an engine's files, which is on a real file system, as overlay wants it.
pub(crate) fn directory() -> TempDir {
    assert!(
        Path::new("/opt/peers/cri.pb").exists(),
        "not in the peers' root: `hack/peers setup` builds it (2 GB), `hack/engines` plays the scenarios in it"
    );
    tempfile::Builder::new().prefix("ketch-engines-").tempdir_in("/tmp").expect("/tmp is writable")
}

/// [`IMAGE`] as an archive that all engines load.
pub(crate) fn archive(dir: &Path) -> PathBuf {
    let path = dir.join("busybox.tar");
    ImageBuilder::busybox().name(IMAGE).docker_archive(&path);
    path
}

/// What docker and podman call it. The runtime is the one under test.
#[derive(Debug)]
pub(crate) struct Client {
    words: Vec<OsString>,
}

impl Client {
    pub(crate) fn new<S: Into<OsString>>(words: impl IntoIterator<Item = S>) -> Client {
        Client { words: words.into_iter().map(Into::into).collect() }
    }

    /// For more arguments. timeout(1) ends what hangs, with exit code 124.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "120"]).args(&self.words).stdin(Stdio::null());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        program::finish(self.command().args(args))
    }

    /// Words that are parted by spaces.
    pub(crate) fn line(&self, line: &str) -> Output {
        self.run(line.split(' '))
    }

    /// The same, then `sh -c SCRIPT`.
    pub(crate) fn sh(&self, line: &str, script: &str) -> Output {
        self.run(line.split(' ').chain(["sh", "-c", script]))
    }
}
