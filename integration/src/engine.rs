//! An engine with directories of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::wait::wait_for;
use crate::{ImageBuilder, Netns, Output, leftovers, program, user};

/// `ketch` (or a peer) with directories of its own, and of root's in a network namespace of its own.
///
/// On drop every container is removed by force, and anything left of them fails the test.
#[derive(Debug)]
pub struct Engine {
    dir: TempDir,
    pub(crate) owner: Owner,
}

#[derive(Debug)]
pub(crate) enum Owner {
    /// With `--root` and `--runroot`. No network: it works in that of the test itself.
    Root(Option<Arc<Netns>>),
    /// With XDG_DATA_HOME and XDG_RUNTIME_DIR.
    User { uid: u32, gid: u32 },
}

impl Engine {
    pub fn new() -> Engine {
        Engine::of(Owner::Root(Some(Arc::new(Netns::new()))))
    }

    /// For what needs the world outside. It must leave the network alone: `--network host`.
    pub fn on_the_hosts_network() -> Engine {
        Engine::of(Owner::Root(None))
    }

    /// One more engine on the same network: as another user's on one host.
    pub fn beside(&self) -> Engine {
        Engine::of(Owner::Root(self.network().cloned()))
    }

    pub(crate) fn of(owner: Owner) -> Engine {
        let dir = tempfile::Builder::new()
            .prefix("ketch-engine-")
            .tempdir_in("/var/tmp")
            .expect("/var/tmp is writable");
        Engine { dir, owner }
    }

    /// An engine with the busybox image, named `busybox`, in its store.
    pub fn with_busybox() -> Engine {
        Engine::new().load_busybox()
    }

    /// The same image for one that has none.
    pub fn load_busybox(self) -> Engine {
        self.load(&ImageBuilder::busybox().name("docker.io/library/busybox:latest"));
        self
    }

    pub fn load(&self, image: &ImageBuilder) {
        let archive = self.path("image.tar");
        image.docker_archive(&archive);
        self.run(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), archive.as_os_str()]).ok();
    }

    /// A path in this engine's scratch directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn network(&self) -> Option<&Arc<Netns>> {
        match &self.owner {
            Owner::Root(netns) => netns.as_ref(),
            Owner::User { .. } => None,
        }
    }

    /// The network that it works in.
    pub fn netns(&self) -> &Netns {
        self.network().expect("this engine has a network namespace of its own")
    }

    /// The engine with its directories set, for more arguments.
    pub fn command(&self) -> Command {
        let mut command = match &self.owner {
            &Owner::User { uid, gid } => user::command(self.dir(), uid, gid),
            Owner::Root(netns) => {
                let mut command = match netns {
                    Some(netns) => netns.command(program::engine()),
                    None => Command::new(program::engine()),
                };
                command.arg("--root").arg(self.path("root")).arg("--runroot").arg(self.path("run"));
                command
            }
        };
        command.stdin(Stdio::null());
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
        wait_for(&format!("{text:?} in the log of {name}"), || {
            let logs = self.run(["logs", name]);
            if logs.stdout.contains(text) { Ok(()) } else { Err(logs) }
        });
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
        left.extend(leftovers::find(self.dir(), &ids));
        left.extend(leftovers::named(&ids));
        let (root, run) = match self.owner {
            Owner::Root(_) => ("root", "run"),
            Owner::User { .. } => ("data/ketch", "run/ketch"),
        };
        for (above, name) in [(root, "containers"), (root, "tmp"), (run, "containers"), (run, "runtime")] {
            let entries = fs::read_dir(self.path(above).join(name)).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| format!("directory {}", entry.path().display())));
        }
        if let Some(netns) = self.network() {
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
        if let Some(netns) = self.network().filter(|netns| Arc::strong_count(netns) == 1) {
            left.extend(netns.left().into_iter().map(|name| format!("interface {name}")));
            left.extend(netns.published().into_iter().map(|port| format!("published port {port}")));
        }
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:#?}");
        }
    }
}
