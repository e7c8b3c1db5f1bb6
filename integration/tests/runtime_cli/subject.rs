//! The runtime under test, and a bundle for it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ketch_sys::pidfd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What `sh` and the like are in the test's root.
const APPLETS: [&str; 14] = [
    "sh", "sleep", "echo", "cat", "true", "false", "id", "env", "pwd", "ls", "stty", "tty", "flock",
    "readlink",
];

/// A bundle with a state directory and a cgroup of its own. Nothing of them is left when it is dropped.
#[derive(Debug)]
pub(crate) struct Bundle {
    directory: TempDir,
    pub id: String,
    cgroup: String,
}

/// How a command of the runtime ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub(crate) fn runtime() -> PathBuf {
    if let Some(path) = std::env::var_os("KETCH_TEST_RUNTIME") {
        return path.into();
    }
    // target/<triple>/<profile>/deps/<this test>
    let test = std::env::current_exe().expect("the path of this test");
    let path = test.ancestors().nth(2).expect("a profile's directory").join("ketchrun");
    assert!(path.exists(), "{} is not there: `cargo build -p ketchrun` makes it", path.display());
    path
}

/// Whose behaviour is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Ketchrun,
    Runc,
    Crun,
}

pub(crate) fn subject() -> Subject {
    static SUBJECT: OnceLock<Subject> = OnceLock::new();
    *SUBJECT.get_or_init(|| {
        let out = Command::new(runtime()).arg("--version").output().expect("the runtime starts");
        match String::from_utf8_lossy(&out.stdout).split_whitespace().next() {
            Some("ketchrun") => Subject::Ketchrun,
            Some("runc") => Subject::Runc,
            Some("crun") => Subject::Crun,
            other => panic!("the subject is ketchrun, runc or crun, not {other:?}"),
        }
    })
}

/// For what ketchrun does otherwise than its peers, and for the words it says it in.
pub(crate) fn is_ours() -> bool {
    subject() == Subject::Ketchrun
}

/// For what runc and ketchrun have and crun has not, or has otherwise.
pub(crate) fn is_crun() -> bool {
    subject() == Subject::Crun
}

/// Whether this host has cgroup v2 and nothing else.
pub(crate) fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

impl Bundle {
    /// busybox's root, the configuration that `spec` writes, without a terminal, running `args`.
    pub(crate) fn new(args: &[&str]) -> Bundle {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory =
            tempfile::Builder::new().prefix("ketch-cli-").tempdir().expect("a temporary directory");
        let bundle = Bundle { directory, cgroup: format!("/ketch-test-{id}"), id };
        let bin = bundle.path().join("rootfs/bin");
        fs::create_dir_all(&bin).expect("mkdir rootfs/bin");
        for name in ["proc", "sys", "dev", "tmp"] {
            fs::create_dir(bundle.path().join("rootfs").join(name)).expect("mkdir");
        }
        fs::copy("/bin/busybox", bin.join("busybox")).expect("a static /bin/busybox: install busybox-static");
        APPLETS.iter().for_each(|applet| symlink("busybox", bin.join(applet)).expect("symlink"));
        let path = bundle.path();
        bundle.call(&["spec", "--bundle", path.to_str().expect("a UTF-8 path")]).succeeds();
        bundle.configure(|config| {
            config["process"]["terminal"] = false.into();
            config["process"]["args"] = json!(args);
            config["linux"]["cgroupsPath"] = bundle.cgroup.as_str().into();
        });
        bundle
    }

    /// The bundle's directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Changes config.json.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Value)) {
        let path = self.path().join("config.json");
        let mut config = serde_json::from_slice(&fs::read(&path).expect("config.json")).expect("JSON");
        change(&mut config);
        fs::write(&path, config.to_string()).expect("config.json");
    }

    /// The command, without having run it; its streams are not a terminal, nor pipes that a container would keep open.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(runtime());
        command.arg("--root").arg(self.root()).args(words).stdin(Stdio::null());
        command
    }

    /// Runs a command of the runtime to its end.
    pub(crate) fn call(&self, words: &[&str]) -> Output {
        run(self.command(words))
    }

    /// The same for a verb that takes the container's id only.
    pub(crate) fn verb(&self, verb: &str) -> Output {
        self.call(&[verb, &self.id])
    }

    /// `create` or `run` with flags.
    pub(crate) fn make(&self, verb: &str, flags: &[&str]) -> Output {
        let bundle = self.path().to_str().expect("a UTF-8 path");
        self.call(&[&[verb, "--bundle", bundle], flags, &[&self.id]].concat())
    }

    pub(crate) fn state(&self) -> Value {
        let out = self.verb("state").succeeds();
        serde_json::from_str(&out.stdout).expect("state is JSON")
    }

    pub(crate) fn status(&self) -> String {
        self.state()["status"].as_str().expect("a status").to_owned()
    }

    /// Sends SIGKILL and waits for the end of init.
    pub(crate) fn kill_and_wait(&self) {
        let pid = self.state()["pid"].as_i64().expect("a pid");
        let init = pidfd::open(i32::try_from(pid).expect("a pid")).expect("init is there");
        self.call(&["kill", &self.id, "KILL"]).succeeds();
        let mut ended = [PollFd::new(std::os::fd::AsFd::as_fd(&init), PollFlags::POLLIN)];
        poll(&mut ended, PollTimeout::NONE).expect("poll");
    }

    /// A file of the container's cgroup: `memory/memory.limit_in_bytes` on v1, `memory.max` on v2.
    pub(crate) fn limit(&self, v1: &str, v2: &str) -> String {
        let path = match is_v2() {
            true => Path::new("/sys/fs/cgroup").join(&self.cgroup[1..]).join(v2),
            false => {
                let (controller, file) = v1.split_once('/').expect("a controller and a file");
                Path::new("/sys/fs/cgroup").join(controller).join(&self.cgroup[1..]).join(file)
            }
        };
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.trim_end().to_owned()
    }

    /// Directories of this test's cgroup that are there now.
    pub(crate) fn cgroups(&self) -> Vec<PathBuf> {
        let name = &self.cgroup[1..];
        let hierarchies = fs::read_dir("/sys/fs/cgroup").expect("/sys/fs/cgroup");
        let below = hierarchies.map(|entry| entry.expect("an entry").path().join(name));
        std::iter::once(Path::new("/sys/fs/cgroup").join(name))
            .chain(below)
            .filter(|path| path.exists())
            .collect()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let out = self.call(&["delete", "--force", &self.id]);
        let left = self.cgroups();
        if !std::thread::panicking() {
            assert_eq!((out.code, &left), (0, &Vec::new()), "left behind: {}", out.stderr);
        }
    }
}

/// Runs a command to its end, with streams in files.
pub(crate) fn run(mut command: Command) -> Output {
    let streams = tempfile::tempdir().expect("a temporary directory");
    let (stdout, stderr) = (streams.path().join("1"), streams.path().join("2"));
    let file = |path| Stdio::from(File::create(path).expect("a file for a stream"));
    let status = command.stdout(file(&stdout)).stderr(file(&stderr)).status().expect("the runtime starts");
    let text = |path| String::from_utf8_lossy(&fs::read(path).expect("a stream's file")).into_owned();
    Output { code: status.code().unwrap_or(-1), stdout: text(&stdout), stderr: text(&stderr) }
}

impl Output {
    #[track_caller]
    pub(crate) fn succeeds(self) -> Output {
        self.exits(0)
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Output {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Ends with `code`, and says so in one line of ours that holds `text`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, text: &str) -> Output {
        assert_eq!(self.code, code, "{self:?}");
        if is_ours() {
            assert!(
                self.stderr.starts_with("ketchrun: ") && self.stderr.contains(text),
                "{self:?} lacks {text:?}"
            );
            assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        }
        self
    }
}
