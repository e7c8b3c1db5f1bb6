//! An engine with directories of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{ImageBuilder, Netns, Output, leftovers, program};

/// `ketch` (or a peer) with its own `--root` and `--runroot`, in a network namespace of its own.
///
/// On drop every container is removed by force, and anything left of them fails the test.
#[derive(Debug)]
pub struct Engine {
    dir: TempDir,
    /// None: it works in the network of the test itself.
    netns: Option<Arc<Netns>>,
}

impl Engine {
    pub fn new() -> Engine {
        Engine::in_network(Some(Arc::new(Netns::new())))
    }

    /// For what needs the world outside. It must leave the network alone: `--network host`.
    pub fn on_the_hosts_network() -> Engine {
        Engine::in_network(None)
    }

    /// One more engine on the same network: as another user's on one host.
    pub fn beside(&self) -> Engine {
        Engine::in_network(self.netns.clone())
    }

    fn in_network(netns: Option<Arc<Netns>>) -> Engine {
        let dir = tempfile::Builder::new()
            .prefix("ketch-engine-")
            .tempdir_in("/var/tmp")
            .expect("/var/tmp is writable");
        Engine { dir, netns }
    }

    /// An engine with the busybox image, named `busybox`, in its store.
    pub fn with_busybox() -> Engine {
        Engine::new().load_busybox()
    }

    /// The same image for one that has none.
    pub fn load_busybox(self) -> Engine {
        let engine = self;
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

    /// The network that it works in.
    pub fn netns(&self) -> &Netns {
        self.netns.as_deref().expect("this engine has a network namespace of its own")
    }

    /// The engine with its directories set, for more arguments.
    pub fn command(&self) -> Command {
        let mut command = match &self.netns {
            Some(netns) => netns.command(program::engine()),
            None => Command::new(program::engine()),
        };
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
        if let Some(netns) = &self.netns {
            let published = netns.published();
            // Another engine's are its own matter.
            let ours = published.into_iter().filter(|port| ids.iter().any(|id| port.contains(&**id)));
            left.extend(ours.map(|port| format!("published port {port}")));
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
        let mut left = self.wipe();
        if let Some(netns) = self.netns.as_ref().filter(|netns| Arc::strong_count(netns) == 1) {
            left.extend(netns.left().into_iter().map(|name| format!("interface {name}")));
            left.extend(netns.published().into_iter().map(|port| format!("published port {port}")));
        }
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:#?}");
        }
    }
}
